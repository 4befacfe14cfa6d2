"""Every tuning number of the client, each with its unit and its reason.

A number that is a fact of the service or of a protocol stands where it is used. The emulator has its own file.
"""

BASE_URL = "https://dataflow.apigw.ntruss.com"
"""The only host that the documentation names."""
CONSOLE_URL = "https://console.ncloud.com/"
"""The console; the documentation names no address of a job in it."""
LOG_URL = "https://kr.object.ncloudstorage.com/{log_path}"
"""What is stored in Object Storage, in the region of Data Flow; it opens to who may read the bucket."""

# --- calls -------------------------------------------------------------------------------------------------
MAX_CONCURRENCY = 64
"""Calls in flight per client: saturates one core, and stays polite, as no limit is published."""
LARGEST_CONCURRENCY = 100_000
"""The most calls in flight that may be asked for: more than one host has ports for."""
ATTEMPT_TIMEOUT = 30.0
"""Seconds per attempt: the gateway itself times out earlier, with 504 or 510."""
MIN_ATTEMPT_TIME = 1.0
"""Seconds of its deadline that must remain for a creating call to be sent: sent later, its answer would be lost."""
MIN_ATTEMPT_PARTS = 10
"""Parts of a shorter time-out or deadline, one of which must remain instead."""
MIN_ATTEMPT_TIMEOUT = 0.001
"""Seconds of an attempt whose deadline is over: it times out at once, as an attempt that is too slow does."""
CHECKS_PER_TIMEOUT = 20
"""Checks for overdue requests in each time-out, so that it is exceeded by a twentieth at most."""
MIN_CHECK_INTERVAL = 0.005
MAX_CHECK_INTERVAL = 0.5
"""Seconds between two such checks: never so often that it costs, never so rarely that a person waits for it."""
CONNECT_TIMEOUT = 5.0
"""Seconds to connect: a SYN is repeated after 1 and 3 s, so this forgives two lost ones."""
DNS_CACHE_TTL = 300
"""Seconds for which a resolved name is cached: a gateway's address outlives a burst of calls."""
MAX_IDLE = 2.0
"""Seconds a connection may have been idle when it carries a call that can't be repeated: servers and balancers close
idle ones unannounced, the earliest known after 5 s; who calls less often pays one handshake a call."""
KEEP_ALIVE_SHARE = 0.5
"""Share of an announced ``Keep-Alive: timeout`` after which such a call uses a new connection: a race with the server's
own timer would lose launches."""
MAX_BODY = 256 << 20
"""Bytes of an answer after decompression: a page of 100,000 runs takes half of it."""
MIN_BOMB_SIZE = 64 << 20
MIN_BOMB_RATIO = 200
"""Bytes, and growth by decompression, above which a body is refused: rows of runs grow 30 times, no JSON 200 times."""
INFLATE_SLICE = 1 << 20
"""Bytes decompressed in one step of the event loop: a millisecond or two."""
MAX_GZIP_MEMBERS = 1000
"""Parts that a gzip body may have: many tiny ones cost time out of proportion."""
TLS_READ_TURNS = 4
"""Turns of the event loop in which TLS may read what is no data of the application's, such as session tickets."""
MAX_HEADER_LINE = 64 << 10
"""Bytes of one header line: proxies and single sign-on pages send more than aiohttp's 8 kB."""

# --- retries -----------------------------------------------------------------------------------------------
MAX_ATTEMPTS = 3
"""Attempts of a call, the first included: what needs more is an outage, which its caller should see."""
BACKOFF_BASE = 0.5
"""Seconds; the n-th pause is a random part of ``base * 2**n`` (full jitter), so that clients do not retry in step."""
BACKOFF_MAX = 20.0
"""Seconds of the longest pause of our own choice: an outage that is over is noticed soon."""
RETRY_AFTER_MAX = 60.0
"""Seconds of the longest ``Retry-After`` that is obeyed: after a longer one the call is repeated sooner, or fails."""
RETRY_AFTER_IGNORED = 86_400.0
"""Seconds of a ``Retry-After`` from which it is ignored: a day or more is a mistake."""
TOTAL_TIMEOUT = 120.0
"""Seconds for all attempts and pauses from the first slot on: three time-outs and their pauses fit."""
RETRY_BUDGET = 500
"""Tokens of a client's retry budget, so that a service in an outage does not get three times the load."""
RETRY_COST = 5
RETRY_COST_AFTER_TIMEOUT = 10
"""Tokens that a retry costs; more after a time-out, which occupied the server for longest."""

# --- concurrency limiter -----------------------------------------------------------------------------------
SUCCESSES_PER_INCREASE = 100
"""Successes that increase a lowered capacity by one call, at most: a lower capacity needs as many as it allows calls, as
TCP does for each round trip."""

# --- clock -------------------------------------------------------------------------------------------------
CLOCK_TOLERANCE = 60.0
"""Seconds of skew up to which a 401 is not attributed to the clock: the gateway allows 300."""
AUTH_RECOVERY_PAUSE = 5.0
"""Seconds before a client that was accepted before repeats a call after a 401: a gateway may refuse for a moment."""
FAILED_OFFSETS_KEPT = 32
"""Failed candidate offsets that are kept, so that other calls in flight do not try them again."""
SIGNATURE_WINDOW = 300.0
"""Seconds by which an accepted timestamp may be off, by the documentation."""
CLOCK_DRIFT = 1e-4
"""Seconds by which two clocks may drift apart each second: twice what a quartz that nobody disciplines does."""
CLOCK_STEP = 0.25
"""Seconds by which a wall clock must move against a steady one to count as a step; less is how finely clocks are read."""
SAME_MOMENT = 0.05
"""Seconds within which equal answers bound the time only once: a ``Date`` is accurate to a second anyway."""
CONTRADICTED = 600.0
"""Seconds for which a contradicted answer still counts for the service's time: nodes that disagree answer in turns."""
MAX_TIME_ESTIMATES = 8
"""Contradicting estimates of the service's time that are kept: no gateway has so many nodes that disagree."""

# --- polling -----------------------------------------------------------------------------------------------
POLL_AGE_DIVISOR = 8.0
"""A run is polled every eighth of its age: its end is observed at most an eighth of its duration late."""
POLL_MIN_INTERVAL = 1.0
"""Seconds between two polls of a run, at least: runs take seconds to start, so that more would show nothing new."""
POLL_MAX_INTERVAL = 30.0
"""Seconds between two polls of a run, at most: nobody minds hearing half a minute late of a run that took hours."""
POLL_JITTER = 0.2
"""Intervals are spread by +-20 %, so that a thousand waits do not poll in step."""
NOT_FOUND_GRACE = 60.0
"""Seconds for which a wait outlives 404, from the first one since the run was last observed: reads may lag launches."""
LOG_FAILURES_AFTER = 60.0
"""Seconds of failing polls after which a wait says so in the log: a restart of a gateway is over by then."""
LOG_REMINDER_INTERVAL = 600.0
"""Seconds after which the log says it again, or that a status is unknown: a person may act by then."""
FOREIGN_ANSWER_TIMEOUT = 1800.0
"""Seconds of refusals by a proxy or the like that end a wait: longer than any redeployment takes."""
FIRST_POLL_TIMEOUT = 5.0
"""Seconds the first poll of a wait may take even when its time-out is shorter: a connection and an answer."""
LAST_POLL_TIMEOUT = 1.0
"""Seconds the last poll of a wait may take, which begins at its time-out: an answer on a warm connection."""
RESERVED_POLL_SHARE = 0.25
"""Share of the polls that may be in flight, reserved for jobs without one: polls of the others may hang for 30 s."""
MIN_SLEEP = 0.001
"""Seconds of the shortest sleep: one as long as a rounding error might never reach the time that is due."""
CANCEL_ON_TIMEOUT_LIMIT = 3.0
"""Seconds by which a wait may outlast its time-out for ``cancel_on_timeout``: two calls of a service that answers."""
CANCEL_TIMEOUT = 10.0
"""Seconds the client goes on cancelling a remote run after its own wait was cancelled: a few attempts."""
PAGE_ROWS_PER_STEP = 200
"""Rows of a page applied before other tasks get their turn of the event loop: a few milliseconds."""
DUE_TICKS = 16
"""Parts of the shortest interval to which the times of polls are rounded up: runs that are due at once share a place in queues."""
DUE_RUNS_PER_STEP = 1_000
"""Runs taken from a due queue before other tasks get their turn: a few milliseconds."""
WAITS_PER_STEP = 500
"""Waits begun before other tasks get their turn of the event loop: a few milliseconds."""

# --- waiting through lists ---------------------------------------------------------------------------------
LIST_PAUSE = 60.0
"""Seconds for which runs are polled one by one after the list of their job could not be read: twice an attempt."""
LIST_LAG = 10.0
"""Shortest intervals between polls for which a list may go on showing a run that has ended: caches take seconds."""
LIST_DISTRUST = 20.0
"""Longest intervals between polls for which a list that lags more is not read: ten minutes by default."""
LIST_PAGE_TIMEOUT = 30.0
"""Seconds the runs of a job wait for a page of its list before they are polled one by one: one attempt."""
PAGE_WORTH = 2
"""Runs that a page must be expected to show: for one, its own GET is cheaper."""
PAGE_WORTH_SAMPLE = 100
"""Runs that are enough to decide whether a page is worth reading: more would only cost time."""
WINDOW_SLACK = 8
WINDOW_MARGIN = 10
"""Part of the rows in front, and rows, that are asked for beyond those that should show the runs that go on: as many may have
come in front since, and a run that is missed costs a request."""
ROWS_PER_REQUEST = 100
"""Rows beyond those that were requested that cost as much as a request: the time to parse them."""
MAX_LIST_MISSES = 6
"""A list that never shows a run is searched for it at every 64th poll: after half an hour of the longest pauses."""
POLLS_PER_CHECK = 5
"""Polls of pages of which one is checked: a fifth of a request more each, and an end is found soon all the same."""
ENDED_RUNS_CHECKED = 16
"""Ended runs whose rows are checked: one is enough to prove a list wrong, and some may never be listed again."""
UNCHANGED_PAGES = 1
"""Times that the first page must not have changed before new runs are searched for at the end."""
ORDER_CLARITY = 10
"""Pairs of rows to each pair in the other order, so that a page counts as ordered: one date in ten may be wrong."""
ORDER_SAMPLES = 16
"""Pairs of rows whose dates are compared to learn a page's order: enough to tolerate a few equal dates."""
PAGE_PARTS = 8
"""Part of a page by which a list may move without being planned anew: what slipped is on the next page."""

# --- workflows ---------------------------------------------------------------------------------------------
EARLIER_RUN_HORIZON = 720.0
"""Seconds after its end in which an earlier run's successors may still be unlisted: the time a run takes to be listed,
two minutes, and ten minutes between clocks."""
SHORT_LIST_PAGES = 2
"""Pages up to which a workflow's list is read whole: reading only new runs costs as many."""
ZONE_STEP = 900.0
"""Seconds: time zones differ by multiples of a quarter of an hour."""
ZONE_SLACK = 60.0
"""Seconds that may lie between the end of a run and a poll that shows it, beside the time between two polls."""

MAX_NEXT_RUNS = 100_000
"""Coming runs of a rule that are listed at once: eleven years of hours, a tenth of a second."""

# --- bulk --------------------------------------------------------------------------------------------------
MAX_IN_FLIGHT = 64
"""Unfinished runs at a time in ``run_all``: each costs money, and quotas of accounts are not published."""
LARGEST_IN_FLIGHT = 100_000
"""The most that may be asked for: each is a task, of some 10 kB."""
DRAIN_TIMEOUT = 31.0
"""Seconds that leaving a bulk run waits for launches in flight: one attempt, and a little."""
CLOSING_STEP = 0.5
"""Seconds for each further step of leaving: workers that were cancelled, the source of launches."""
CLOSING_JOURNAL = 2.0
"""Seconds until a journal that is being closed is left to its thread."""
CLOSING = 34.0
"""Seconds for closing a client; with the last step of that, nobody waits longer than 35 s, whoever hangs."""
PROGRESS_INTERVAL = 0.1
"""Seconds between two reports of progress, at least: a person reads no faster."""
VISIBILITY_DELAY = 120.0
"""Seconds after the last send before an absent run proves anything: lists show a run within two minutes."""
SERVER_TIME_TIMEOUT = 10.0
"""Seconds to get the gateway's time before the first intent; without it our own clock is used."""
CLOCK_MARGIN = 600.0
"""Seconds by which times of different clocks may disagree: two of them, each off by up to 5 minutes."""
DATE_SAMPLES = 20
"""Runs of ours, nearest in time, through which dates are read: enough to show a zone, few enough to be near."""
DATE_SPREAD = 600.0
"""Seconds by which these may differ before dates are left out: clocks of one service differ by less."""
DATE_PRECISION = 5.0
"""Seconds: where server time is known no better than this, a date within its bounds proves nothing."""
NEAR_RUNS = 100
"""Runs of ours before a launch among which none may be missing from a list that shows older ones: a list that hides
one row in ten is caught."""
WITNESS_TIMEOUT = 600.0
"""Seconds that an uncertain launch waits for the next launch of its job, which may show that lists reach up to it."""
LISTING_TIMEOUT = 900.0
"""Seconds for which lists that fail, or do not end, are read for lost launches: an outage of a gateway is shorter."""
SMALLEST_PAGE = 25
"""Rows: pages that time out are halved down to this."""
RUNS_PER_STEP = 200
"""Runs that reconciliation handles before other tasks get their turn of the event loop: a few milliseconds."""
OWN_SAMPLES = 200
"""Runs of ours that are read to find out whether the service echoes parameters: if it does, any of them shows it."""
ROWS_WORTH_SPLITTING = 20
"""Texts of rows of one page that are looked for one by one, which takes 6 us each; to split the page takes 3 ms."""
WITNESSES_CACHED = 5.0
"""Seconds for which the journal's runs are not read again while launches wait for a witness."""
DAY = 86_400.0
"""Seconds before a launch from which on listed runs are held: no zone is further off."""
CANDIDATES = 100
"""Runs named as candidates of an uncertain launch, at most: whoever needs more can read the list."""
CONSISTENT_TRIES = 4
"""Listings that may differ from the one before; a list that changes faster proves nothing."""
MAX_OUTAGE = 900.0
"""Seconds without any answer after which a bulk run ends: most outages are over by then, and an operator has been alerted."""
PROBE_MIN = 1.0
PROBE_MAX = 30.0
"""Seconds between two launches that probe whether an outage is over: doubled from the first to the last."""
PROBE_SPREAD = (0.8, 1.2)
"""Each pause is multiplied by a random factor between these, so that the probes of many runs do not come at once."""
FOREIGN_IN_A_ROW = 5
"""Launches answered by neither gateway nor service, one after the other, that make an outage: a proxy's page may show up
once or twice."""
KNOWN_RUNS = 4_096
"""Execution ids remembered, so that one answer is not taken for two launches: an answer that was left on a connection
comes soon after its own."""
JOURNAL_WINDOW = 0.002
"""Seconds a write to the journal waits for others to share its commit: as long as a commit takes on a common disk."""
JOURNAL_BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that has the journal's file for a moment, as a reader after a crash has."""
JOURNAL_ROWS_AT_ONCE = 64
"""Rows that one statement writes, at most: 832 of the 999 values that an old SQLite allows."""
ACCOUNT_PROOFS = 5
"""Runs of a journal, each of another job, that are read to prove its account: one may be gone, five hardly are."""
JOURNAL_LOCK_TRIES = 100
"""How often the ``-lock`` file may be replaced while it is being locked: that takes as many runs at the same moment."""
MAX_KEY = 200
"""Characters of a caller's key: enough for a path or a sentence, and a row of a journal stays a row."""
KEYS_REMEMBERED = 1_000_000
"""Names that a run without a journal recognizes: twice as many take at most 64 MB, ten thousand launches some 300 kB."""
REPEATED_SETTINGS = 100_000
"""Settings of which a run remembers how often they came; of others it is found out again, name by name."""
DIGEST_TABLES = 256
"""Tables of a set of digests: each grows by itself, within 20 ms however many names there are."""
DIGEST_TABLE_SLOTS = 16
"""Digests for which a table has memory at first: all tables together take 64 kB."""

# --- lists -------------------------------------------------------------------------------------------------
PAGE_LIMIT = 1000
"""Rows requested per page: the documented default, and no bound is stated."""

# --- key sources -------------------------------------------------------------------------------------------
KEY_TIMEOUT = 15.0
"""Seconds in which a source must return keys: four requests to a metadata service that all time out, and a little."""
KEY_RENEWAL_WAIT = 1.0
"""Seconds a call waits for new keys while the last ones may be used: a vault answers in less."""
KEY_CANCEL_LEEWAY = 1.0
"""Seconds beyond the time-out for a source to end when it is cancelled; one that resists counts as failed."""
KEY_GRACE = 900.0
"""Seconds for which the last keys are used while a source fails: as long as role keys are renewed ahead."""
KEY_RETRY_PAUSE = 1.0
"""Seconds between the first two requests to a failing source, doubled each time: a restart takes a second or more."""
KEY_RETRY_PAUSE_MAX = 10.0
"""Seconds of the longest such pause: a call whose keys were refused tries a dozen times before its deadline."""

# --- credentials -------------------------------------------------------------------------------------------
METADATA_TIMEOUT = 3.0
"""Seconds for the server-role endpoint: on any other machine nothing answers there, and the search must go on."""
MAX_METADATA_BODY = 65_536
"""Bytes that the server-role endpoint may answer with: a hundred times what keys or a list of roles take."""
ROLE_REFRESH_AHEAD = 900.0
"""Seconds before expiry from which role keys are renewed: failures of a quarter of an hour cost no call."""
ROLE_MIN_VALIDITY = 300.0
"""Seconds before expiry from which old role keys are no longer used: as far as clocks may differ."""
ROLE_UNKNOWN_VALIDITY = 1800.0
"""Seconds for which role keys without a readable expiry are taken to be valid: they are renewed after half of it."""
ROLE_REFRESH_PAUSE = 30.0
"""Seconds between two renewals of role keys, whether they fail or return keys that are as near to their end."""
METADATA_LEEWAY = 0.5
"""Seconds beyond that time-out in which a request reports it by itself, in better words."""

# --- the probe ---------------------------------------------------------------------------------------------
PROBE_PAGE = 1000
"""Rows of the large page that a probe reads of each list: the default that the contract prints for `limit`."""
PROBE_SMALL_PAGE = 2
"""Rows of the small pages: the fewest that show an order, and fewer than most lists have."""
PROBE_JOBS = 5
"""Jobs in which a probe looks for runs; those with a last run come first, so the first one nearly always has some."""
PROBE_LONG_PERIOD = 400
"""Days of the period that may be too long for the dashboard: more than a year."""
PROBE_OFFSETS = (-600.0, -240.0, 240.0, 600.0)
"""Seconds by which signatures of a probe are off: on either side of the 300 s that a page names, by a margin that a
`Date` of whole seconds can't hide."""
PROBE_TIMEOUT = 300.0
"""Seconds for the reading questions of a probe: fifty answers of a slow service take one minute."""
PROBE_QUESTION_TIMEOUT = 15.0
"""Seconds for one answer to a reading question: a list of 1000 rows takes two of a slow service."""
PROBE_ATTEMPTS = 3
"""Times that a reading question is sent while it is throttled or not answered."""
PROBE_PAUSE = 1.0
"""Seconds between them, unless a ``Retry-After`` names more."""
PROBE_IDLE = 2.0
"""Seconds for which a probe holds a connection idle: as long as one may be idle that carries a launch."""
PROBE_SETTLING = 120.0
"""Seconds after which a run that is not listed counts as one that is never listed: the visibility delay of a bulk run."""
PROBE_OUTAGE = 60.0
"""Seconds of failures alone after which access counts as lost: a restart or a full minute of a rate limit is over by then."""
PROBE_OUTAGE_PAUSE = 5.0
"""Seconds between two questions whether access is back."""
PROBE_CLOCK_ACCURACY = 2.0
"""Seconds by which a `Date` and our clock differ before the probe signs by the `Date`: it is cut to whole seconds."""
PROBE_WINDOW = 300.0
"""Seconds by which an accepted signature may be off: a `Date` that is further away is not the gateway's time."""
PROBE_POLL_INTERVAL = 1.0
"""Seconds between two reads of the run of a probe: fine enough to see each state, whose times a report rounds to seconds."""
PROBE_RUN_TIMEOUT = 3600.0
"""Seconds for which a probe observes its run: most take minutes."""
PROBE_PRIVATE_LENGTH = 4
"""Characters from which a text of the account is searched for in the report: shorter ones occur by chance."""

# --- Airflow -----------------------------------------------------------------------------------------------
CONNECTION_TTL = 300.0
"""Seconds for which a connection is not fetched again: that takes 80 ms in a triggerer, for one after the other."""
CONNECTION_TIMEOUT = 20.0
"""Seconds for one such request in a triggerer: it queues behind those of other triggers, each of which takes 80 ms."""
CONNECTION_RETRY_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between requests for a connection that fail in a triggerer: an API server restarts in half a minute."""

TASK_STATE_WINDOW = 1.0
"""Seconds in which questions about tasks of a dag run are collected for one request: a thousand triggers are stopped in one."""
TASK_STATE_TIMEOUT = 10.0
"""Seconds for Airflow's answer: it queues behind other requests of the triggerer, and never comes while that stops."""
KILL_TIMEOUT = 28.0
"""Seconds for all that follows a kill of a deferred task: Airflow allows 30."""
DEADLINE_CANCEL_TIMEOUT = 30.0
"""Seconds for cancelling a run at its deadline and for seeing it end, before the task is resumed all the same."""

LOG_DRAIN = 60.0
LOG_DRAIN_AFTER_KILL = 1.5
"""Seconds for which the end of a trigger waits until its lines are written, when a thousand have just begun; after a kill they come
on top of `KILL_TIMEOUT`, and Airflow allows 30 in all."""

SEARCH_INTERVAL = 60.0
"""Seconds between two searches of a sensor for a run that has not begun: each reads a page of the job's runs."""
SEARCH_SHARE = 0.5
"""Part of that for which a list that shows no run counts for other searches too: a run is found half an interval later."""
SEARCH_ORDER_ROWS = 50
"""Rows in the order of time after which a list is taken to be in that order: by chance it is never so."""
RUNS_SHOWN = 10
"""Runs that the log of a task names when it begins to wait for many."""
SENSOR_WINDOW = 86_400.0
"""Seconds from the logical date on in which a sensor takes runs for its own: a nightly job has one in them."""

# --- answers and errors ------------------------------------------------------------------------------------
DECODED_SHAPES = 1000
"""Combinations of member types remembered for each model: a dozen occur, and a hostile server makes no more."""
ACCESS_KEY_SHOWN = 4
"""First characters of an access key in reprs and logs: enough to distinguish pairs."""
FAULTS_SHOWN = 5
"""Members at fault that an error about an unexpected answer names."""
JSON_VALUE_SHOWN = 100
"""Characters of a JSON value that stands where a text should: enough to recognize it."""
VALUE_SHOWN = 80
"""Characters of a refused value that an error shows: one line of a log."""
BODY_SHOWN = 300
"""Characters of an unexpected body that an error keeps: enough to see whose page it is."""
ERROR_BODY_SEARCHED = 20_000
"""Bytes of an error page, or characters of a text in it, that are read: more than any takes, and read in no time."""
ERROR_MESSAGE_SHOWN = 2000
"""Characters of a message of the service that an error keeps."""
FIELD_ERRORS_SHOWN = 20
"""Refused members of a request that an error names."""
LOST_RUN_SEARCHED = 100_000
"""Bytes of an unreadable answer to a launch that are searched for its run: many times what an answer about one takes."""
JSON_FAULT_DEPTH = 10
"""Levels of a request that are searched for the member that JSON has no form for; deeper ones are named by their parent."""
COLUMNS_SHOWN = 21
"""Names that an error about an unknown one lists: all types of columns, more than the columns of most tables, and still one
screen."""
CODE_WIDTH = 88
"""Characters of a line of code that `to_python` writes: the default of formatters."""

# --- Airflow -----------------------------------------------------------------------------------------------
ARGUMENT_DEPTH = 50
"""Lists and dicts within each other that a trigger's argument may have: one that holds itself is refused here."""
TASK_STATE_PAGE = 50
"""Launches kept under one key of a task's state: about 20 KB, where Airflow warns from 64 KB on; a write sends them all."""
TASK_OUTAGE = 60.0
"""Seconds for which a task's launch waits while nothing answers: the retry of the task comes later, and waits no less."""
TASK_NAME = 180
"""Characters of a task's name in the keys of its launches: 200 are allowed, and a few more name the attempt."""
TASK_KEY_BYTES = 4
"""Random bytes in the key of an attempt: two deployments with the same Dags meet once in four billion launches."""
TASK_DRAIN = 40.0
"""Seconds that a task which is interrupted waits until its launch is answered and recorded: a client closes within 35."""
TASK_LAUNCH_TIMEOUT = 240.0
"""Seconds until a task's run must be known, its search by evidence included: after 300 Airflow takes a worker for dead that
sends no heartbeat, and begins the next try."""
TASK_KILL_TIMEOUT = 4.0
"""Seconds to find out whether a task was ended by a person and to cancel its run: after 5 Airflow kills the process."""
BULK_REFILL_DELAY = 30.0
"""Seconds from the first end of a bulk task's runs until it is resumed to start others: each time takes a worker for seconds,
and runs take minutes."""
SIGNAL_CHECK = 1.0
"""Seconds after which a task's main thread sees a signal that has not woken it."""
LOG_PATH_TIMEOUT = 10.0
"""Seconds for the path of the log of a run that has ended: the outcome is known without it."""
TASK_TIMEOUT_MARGIN = 10.0
TASK_TIMEOUT_SHARE = 0.1
"""Seconds, and the share of an ``execution_timeout``, by which a wait ends before it: to cancel takes a call or two."""
ITEM_NAME = 60
"""Characters of those that name one launch of a bulk task."""
TASK_INTENT_AGE = 60.0
"""Seconds that the record of an intent may take for its launch to be sent: a worker from which no heartbeat comes is taken for
dead after 300 s, and the next try proves the launch absent two minutes later at the earliest."""
