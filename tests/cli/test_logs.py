"""The library's warnings on a terminal."""

import logging

from dataflow_async.cli.logs import log_on_standard_error


def test_texts_of_others_are_escaped_and_handlers_are_taken_away(capsys):
    logger = logging.getLogger("dataflow_async")
    before, root = list(logger.handlers), logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with log_on_standard_error():
            logger.warning("job %s", "\x1b[2J\nx")
            logger.info("not shown")
    finally:
        root.handlers = handlers
    assert capsys.readouterr().err == "job \\x1b[2J\\nx\n"
    assert logger.handlers == before
