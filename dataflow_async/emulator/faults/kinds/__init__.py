"""Every kind of fault, each in one small class; `KINDS` is the table of them."""

from dataflow_async.emulator.faults.base import FaultType
from dataflow_async.emulator.faults.kinds import answers, connection, forms, lists, pace, rewrites

KINDS: dict[str, type[FaultType]] = {
    kind.name: kind
    for kind in (
        *(
            connection.Refuse,
            connection.AcceptClose,
            connection.Close,
            connection.Reset,
            connection.StallHeaders,
            connection.StallBody,
        ),
        *(connection.Trickle, connection.HalfBody, connection.Garbage),
        *(answers.TooMany, answers.Unexpected, answers.EndpointError, answers.EndpointTimeout),
        *(answers.SkewedClock, answers.Redirect, answers.HtmlPage),
        *(rewrites.EmptyBody, rewrites.ContentType, rewrites.NumericCode, rewrites.UnknownStatus),
        *(rewrites.MissingFields, rewrites.NullFields, rewrites.ExtraFields, rewrites.OldShape),
        *(lists.Late, lists.Order, lists.Shift, lists.Cap, lists.Count),
        *(lists.PageBase, lists.Window, lists.Gap, lists.Stale),
        *(rewrites.WrongDates, rewrites.NoEcho),
        *(forms.ErrorForm, forms.StatusCode, forms.DateForm, forms.Members, forms.Envelope, forms.JobStatus),
        *(forms.MemberValues, forms.RunTimes),
        *(forms.TraceHeaders, forms.KeepAlive),
        *(pace.ClockOff, pace.DateHeader, pace.Latency, connection.Bandwidth),
    )
}
"""By the name used in code and in text."""
