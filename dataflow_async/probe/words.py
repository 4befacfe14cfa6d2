"""Words that a report may always hold: documentation prints them, or the probe itself made them up."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MEMBERS = _words(
    """
    completedCount consoleLogPath count createdDate dateOfMonth dayOfWeek description disabled endDate executionDate executorNum
    failedCount id interval isTemp isValid jobCondition jobExecutionId jobId jobName lastExecutionDate lastExecutionStatus limit
    list logPath maxConcurrentRuns name nodes nrn numWorker page parameters parentNodeIds parsedParameters resourceId result
    runCondition runCondtion runningTime scriptPath startDate status time timeout totalCount triggerId triggerName triggerRule
    triggerRuleType type updatedDate value waitingTime workerType workflowId
    """
)
"""Members of answers that the contract names."""
CONSTANTS = _words(
    """
    READY RUNNING COMPLETED FAILED CANCELED DATAFLOW DEFAULT SCRIPT VISUAL NONE SCHEDULED EVENT RECURRING ONE_TIME JOB TRIGGER
    WORKFLOW
    """
)
"""Statuses and types that the contract names."""
CODES = _words("bad-parameter bad-state not-found NotFound AlreadyExists InvalidParameter")
"""Codes of errors that the contract names, beside numbers."""
SHAPES = _words(
    """
    digits hex letters and uuid number other object array text true false error empty page after a space no zone first newest oldest
    order follows repeats rows of the in all absent present service gateway standardized responseError code message spring as only
    closed within data came sooner than announced listed named as asked another minutes seconds milliseconds both jobs triggers date
    closed unchanged agree differ changed found time kept open for an answer s h Z swapped their own kind echoed or none yes at once once running never null
    """
)
"""Words of the module `shapes` and of facts."""
HEADERS = _words("x-ncp-apigw-request-id x-ncp-trace-id x-ncp-request-id application/json")
KEPT = MEMBERS | CONSTANTS | CODES | SHAPES | HEADERS
