"""Waiting for runs to end. Polling is not retrying: a look that failed is repeated by the retry policy,
a run that has not ended is looked at again by the polling schedule.
"""
