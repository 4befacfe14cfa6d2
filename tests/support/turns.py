"""An event loop that counts its turns, to cancel work at each of them."""

import asyncio
import selectors


class TurnSelector(selectors.DefaultSelector):
    """Counts how often the loop asked for events.

    The loop asks once a turn and blocks until there is something to do, so time that passes adds no turn: the same
    work takes about as many turns on a busy machine as on an idle one.
    """

    def __init__(self):
        super().__init__()
        self.turns = 0
        self.due = {}

    def select(self, timeout=None):
        events = super().select(timeout)
        self.turns += 1
        for task in self.due.pop(self.turns, ()):
            task.cancel()
        return events


class TurnLoop(asyncio.SelectorEventLoop):
    """An event loop whose tasks can be cancelled after a number of turns."""

    def __init__(self):
        self.selector = TurnSelector()
        super().__init__(self.selector)


def run_counted(work):
    """Run a coroutine on a loop that counts turns."""
    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        return runner.run(work)


async def turns_of(work):
    """How many turns of the loop it takes."""
    selector = asyncio.get_running_loop().selector
    before = selector.turns
    await work
    return selector.turns - before


async def cancelled_after(turns, work):
    """Cancel it after so many turns; give whether it was still at work."""
    selector = asyncio.get_running_loop().selector
    task = asyncio.ensure_future(work)
    selector.due.setdefault(selector.turns + turns + 1, []).append(task)
    await asyncio.wait([task])
    return task.cancelled()
