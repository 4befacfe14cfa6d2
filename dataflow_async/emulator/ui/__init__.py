"""The page: jobs, runs, requests and faults of a server, in a browser.

`page_model` collects the data, `render` makes HTML of it with `markup`, and `routes` serves it. The script only refreshes the page:
every button and every form works without it.
"""

from dataflow_async.emulator.ui.routes import handler_of

__all__ = ["handler_of"]
