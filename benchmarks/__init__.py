"""What is timed: functions that set a stage up and return the work to repeat.

The work may return what it has done, as {name: amount}; the report divides it by the time.
"""
