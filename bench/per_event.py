"""The plain PyFlink job, as its documentation teaches it: one call and one state access per event.

    Kafka source -> map (decode) -> key by user -> keyed process function with one value of state

Default bundles, chaining and state cache. The decoded event travels as a tuple of its fields.
"""

from __future__ import annotations

import time

from pyflink.common import Types, WatermarkStrategy
from pyflink.common.serialization import SimpleStringSchema
from pyflink.datastream import KeyedProcessFunction, MapFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaSource
from pyflink.datastream.state import ValueStateDescriptor

from bench.tally import Tally
from schemas import state
from schemas.events import Purchase
from schemas.run import Run
from schemas.settings import Settings
from sources.household import decode, subscriber
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.advance import advance
from udfs.profile.output import Folded
from udfs.tags import GROUPS

_PSEUDONYMS = GivenPseudonyms()

Fields = tuple[str, int, int, str, float, float]
# The identity is an unsigned 64-bit number; those made in bench/events.py fit the signed one of Flink.
EVENT_TYPE = Types.TUPLE([Types.STRING(), Types.LONG(), Types.LONG(), Types.STRING(), Types.DOUBLE(), Types.DOUBLE()])


class Decode(MapFunction):  # type: ignore[misc]
    """Record -> fields of a `Purchase`."""

    def map(self, value: str) -> Fields:
        """Decode one record."""
        record = value.encode()
        event = decode(subscriber(record) or b"", record, _PSEUDONYMS)
        return event.user, event.event_id, event.event_time_ms, event.category, event.quantity, event.spend


class Update(KeyedProcessFunction):  # type: ignore[misc]
    """Reads the user's profile, folds one event, writes the profile."""

    def __init__(self, public_settings: str, folder: str) -> None:
        self._public_settings = public_settings
        self._folder = folder

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle."""
        self._rules = Settings.on_worker(self._public_settings).rules(GROUPS)
        self._profile = runtime_context.get_state(ValueStateDescriptor("profile", Types.PICKLED_BYTE_ARRAY()))
        self._tally = Tally(self._folder)
        self._folded = 0

    def process_element(self, value: Fields, ctx: KeyedProcessFunction.Context) -> None:
        """Fold one event."""
        self._tally.begins()
        blob = self._profile.value()
        profile = state.decode(blob) if blob else state.Profile()
        # The caller's clock: asking Flink's timer service would cost one more crossing.
        profile, output, _ = advance(profile, Purchase(*value), self._rules, int(time.time() * 1000))
        self._folded += output.__class__ is Folded
        self._profile.update(state.encode(profile))
        self._tally.ends(1)

    def close(self) -> None:
        """Write the tally."""
        self._tally.totals = {"folded": self._folded}
        self._tally.write()


def build(environment: StreamExecutionEnvironment, settings: Settings, run: Run, folder: str) -> None:
    """Wire the job."""
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(run.inputs[0].bootstrap)
        .set_topics(*run.inputs[0].logs)
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_bounded(KafkaOffsetsInitializer.latest())
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    events = environment.from_source(source, WatermarkStrategy.no_watermarks(), "kafka").map(
        Decode(), output_type=EVENT_TYPE
    )
    events.key_by(lambda fields: fields[0], key_type=Types.STRING()).process(
        Update(settings.public(), folder), output_type=Types.INT()
    )
