"""Query logs as they are read beside the rounds: from lines to alarms, and from alarms to the record."""
