"""A page to look at and to touch: jobs, runs, requests and faults of a server, in a browser.

`sight` takes from a server what is to be seen, `render` makes HTML of it with nothing but `markup`, and `routes` serves it.
The script only spares the reader the reload: without it every button and every form works as well.
"""

from dataflow_async.emulator.ui.routes import handler_of

__all__ = ["handler_of"]
