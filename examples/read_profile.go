// Reads one person's tags straight from Redis, decayed to now, for one purpose, and leaves the record of it.
//
//	go run examples/read_profile.go HOST PORT PREFIX READER PURPOSE USER [NOW_MS]
//
// It speaks RESP over a socket, so that it runs without a module; a service has a client of Redis.
// What the keys hold: docs/reading-redis.md.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

const keptRecords = "200000"

type group struct {
	Kind        string  `json:"kind"`
	Purpose     string  `json:"purpose"`
	Sensitivity string  `json:"sensitivity"`
	HalfLifeMs  float64 `json:"half_life_ms"`
}

type tag struct {
	name   string
	weight float64
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 7 {
		log.Fatal("expected HOST PORT PREFIX READER PURPOSE USER [NOW_MS]")
	}
	host, port, prefix, reader, purpose, user := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	nowMs := time.Now().UnixMilli()
	if len(os.Args) > 7 {
		nowMs, _ = strconv.ParseInt(os.Args[7], 10, 64)
	}
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second)
	check(err)
	defer connection.Close()
	check(connection.SetDeadline(time.Now().Add(time.Second)))

	// one transaction: no read without its record
	replies := transaction(connection,
		[]string{"XADD", prefix + ":audit", "MAXLEN", "~", keptRecords, "*",
			"reader", reader, "purpose", purpose, "sensitive", "0",
			"operation", "profile", "people", "1", "users", user},
		[]string{"HGETALL", prefix + ":catalogue"},
		[]string{"HGETALL", prefix + ":p:{" + user + "}"})
	catalogue, profile := mapping(replies[1]), mapping(replies[2])
	if len(profile) == 0 {
		log.Fatal("no profile")
	}
	asOfMs, err := strconv.ParseInt(profile["_as_of_ms"], 10, 64)
	check(err)
	elapsedMs := float64(nowMs - asOfMs)
	var tags []tag
	for field, text := range profile {
		name, _, _ := strings.Cut(field, ":")
		published, known := catalogue[name]
		if strings.HasPrefix(field, "_") || !known {
			continue
		}
		var of group
		check(json.Unmarshal([]byte(published), &of))
		if of.Purpose != purpose || of.Sensitivity == "sensitive" {
			continue
		}
		if of.Kind == "numeric" && (strings.HasSuffix(field, ".mean") || strings.HasSuffix(field, ".std")) {
			continue // these don't decay
		}
		weight, err := strconv.ParseFloat(text, 64)
		check(err)
		tags = append(tags, tag{field, weight * math.Exp2(-elapsedMs/of.HalfLifeMs)})
	}
	sort.Slice(tags, func(i, j int) bool { return tags[i].weight > tags[j].weight })
	for _, each := range tags {
		fmt.Printf("%s\t%v\n", each.name, each.weight)
	}
}

func transaction(connection net.Conn, commands ...[]string) []any {
	sent := command("MULTI")
	for _, words := range commands {
		sent += command(words...)
	}
	_, err := io.WriteString(connection, sent+command("EXEC"))
	check(err)
	in := bufio.NewReader(connection)
	for range len(commands) + 1 {
		reply(in) // OK, and QUEUED for each
	}
	return reply(in).([]any)
}

func command(words ...string) string {
	text := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	return text
}

func reply(in *bufio.Reader) any {
	line, err := in.ReadString('\n')
	check(err)
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '$', '*':
		length, err := strconv.Atoi(rest)
		check(err)
		if length < 0 {
			return nil
		}
		if kind == '$' {
			text := make([]byte, length+2)
			_, err = io.ReadFull(in, text)
			check(err)
			return string(text[:length])
		}
		found := make([]any, length)
		for i := range found {
			found[i] = reply(in)
		}
		return found
	case '-':
		log.Fatal("Redis: ", rest)
	}
	return rest
}

func mapping(words any) map[string]string {
	found := map[string]string{}
	list := words.([]any)
	for i := 0; i < len(list); i += 2 {
		found[list[i].(string)] = list[i+1].(string)
	}
	return found
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
