"""Every number of the emulator that is a choice, each with its unit and its reason."""

# --- the service -------------------------------------------------------------------------------------------
CATCH_UP = 31 * 86_400.0
"""Seconds that a recurring trigger catches up on after a leap of the clock; its older due times are left out. A month,
so that the rarest trigger fires once."""
SETTLING_TURNS = 100
"""Turns of the event loop between two due times of a pushed clock: enough for a few requests over loopback in the same
loop."""
READY_SECONDS = (0.2, 0.6)
"""Shortest and longest wait before a run starts, emulated seconds: long enough for READY to be seen."""
RUN_SECONDS = (1.0, 3.0)
"""Shortest and longest work of a run, emulated seconds: short enough for a test to wait for."""

# --- the API -----------------------------------------------------------------------------------------------
MAX_DEPTH = 64
"""Deepest nesting of arrays and objects in a body: far more than any request needs, far less than the interpreter's
stack allows."""
MAX_DAYS = 3_660
"""Days of the longest period that is answered day by day: ten years. The contract prints no limit, but an answer with a
row a day needs one."""
MAX_BODY = 1 << 20
"""Bytes; a larger body is refused with 413. The contract prints no limit; this is the usual one of gateways, and
aiohttp's own."""

# --- faults ------------------------------------------------------------------------------------------------
MAX_SECONDS = 86_400.0
"""Seconds: the largest value of a detail of a fault unless its type has another: a day."""
MAX_WHOLE = 10**9
"""The largest whole number in a detail of a fault, and more rows than any list has."""
SEND_INTERVAL = 0.1
"""Seconds between two pieces of an answer that is limited in bandwidth: smooth for a reader, cheap for the loop."""
HOLD_CHECK_INTERVAL = 0.05
"""Seconds between two checks whether a client that gets no answer is still connected; aiohttp has no event for it."""

# --- the history -------------------------------------------------------------------------------------------
HISTORY_LIMIT = 200_000
"""Events that are kept: some 50,000 requests, and some 60 MB."""
MAX_RECORDED_BODY = 65_536
"""Bytes of the largest request body that the history keeps: far above a usual one, so that memory stays bounded."""

# --- likeness to an account --------------------------------------------------------------------------------
NARROW_WINDOW = 120.0
"""Seconds of the signature window of an account that refuses timestamps which are four minutes off."""
DATE_OFF = 660.0
"""Seconds that the Date header is off where that of the account contradicted accepted signatures: beyond their window."""
SAMPLE_FEW = 3
"""Rows from which a probe counts no further; a sample account has fewer only where the account had."""
SAMPLE_ROWS = 6
"""Things of a kind in a sample account: enough to show an order, whose chance to arise by itself is 1 in 720."""
SAMPLE_INTERVAL = 60.0
"""Seconds between the creations of two of them."""
SAMPLE_GOING = 10.0 * 365 * 86_400
"""Seconds that a run of a sample account goes on: longer than anybody looks at it."""
LONG_PERIOD = 366
"""Days of a period from which the dashboard may refuse it: a year."""
SAMPLE_ID_MIN = 4
"""Characters of the shortest ids: with fewer a sample account would run out of them."""
SAMPLE_ID_MAX = 64
"""Characters of the longest ones."""
SAMPLE_SHORT = 0.5
"""Seconds of work of a sample run whose time fits any unit."""

# --- the server --------------------------------------------------------------------------------------------
SHUTDOWN_TIMEOUT = 0.5
"""Seconds that a request which is still arriving gets when the server stops; a whole one is answered long before."""
ACCEPT_TURNS = 100
"""Turns of the event loop to wait for connections that are being accepted before the socket closes; two are usual."""
IDLE_LIMIT = 3630.0
"""Seconds after which an idle connection is closed, as aiohttp does by itself: longer than any proxy in front keeps it."""
PROBE_IDLE = 2.0
"""Seconds for which a probe holds a connection idle first, before a longer period that is set."""
MAX_STATUS_JOBS = 1_000
"""Jobs that the status on the control path names, the newest ones: an answer of some 100 kB."""

# --- the pytest plugin -------------------------------------------------------------------------------------
TEST_SPEED = 100.0
"""Emulated seconds in a second, unless a test sets another speed or holds the clock: runs take 12 to 36 ms."""
