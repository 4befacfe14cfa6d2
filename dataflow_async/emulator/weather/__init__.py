"""Every kind of weather, each in one small class; `KINDS` is the table of them."""

from dataflow_async.emulator.kind import Kind
from dataflow_async.emulator.weather import answers, lists, pace, rewrites, wire

KINDS: dict[str, type[Kind]] = {
    kind.name: kind
    for kind in (
        *(wire.Refuse, wire.AcceptClose, wire.Close, wire.Reset, wire.StallHeaders, wire.StallBody),
        *(wire.Trickle, wire.HalfBody, wire.Garbage),
        *(answers.TooMany, answers.Unexpected, answers.EndpointError, answers.EndpointTimeout),
        *(answers.SkewedClock, answers.Redirect, answers.HtmlPage),
        *(rewrites.EmptyBody, rewrites.ContentType, rewrites.NumericCode, rewrites.UnknownStatus),
        *(rewrites.MissingFields, rewrites.NullFields, rewrites.ExtraFields, rewrites.OldShape),
        *(lists.Late, lists.Order, lists.Shift, lists.Cap, lists.Count),
        *(lists.Window, lists.Gap, lists.Stale),
        *(rewrites.WrongDates, rewrites.NoEcho),
        *(pace.ClockOff, pace.DateHeader, pace.Latency, wire.Bandwidth),
    )
}
"""By the name used in code and in text."""
