"""A seeded telecom with the truth kept aside: feeds as a network would send them, dictionaries, and what is really so.

It shares no code with the job, so what the job concludes can be compared with what was planted.
`city.building.build` writes

| file | holds |
|---|---|
| ``<feed>.pb`` | nine feeds, length-delimited protobuf in order of arrival |
| ``dictionaries/*.csv`` | cells, districts, apps, devices, regions, keywords, usual attributes |
| ``truth/subscribers.jsonl`` | who everybody is; ``msisdns`` lists numbers over time, ``from_ms`` is when they begin |
| ``truth/situations.jsonl`` | when each scene really arises, and for whom; see `city.situations` |
| ``truth/dirt.jsonl`` | every odd record: feed, number in its file from 1, kind, detail; kinds in `city.marks` |
| ``truth/summary.json`` | seed, sizes, period, records per feed, odd ones per kind |

An event is made in three steps, each a part of the package: who people are (`city.population` and what it draws
together), what they do on a day (one module a feed: `city.signalling`, `city.browsing`, `city.calling`,
`city.metering`, `city.paying` with `city.charging`, `city.offering`, `city.beginning`), and how it arrives
(`city.feed_file`, `city.wire`). Between the last two `city.situations` looks on. All of it works on columns
(`city.rows`), never on single records.
"""
