"""A plan checked by discrete events: the demand's busiest hour played against the machines that the plan gives it.

servers.py   a capability as a server: iteration-level batching, or a queue of batches
services.py  a service at its peak: share in time, percentiles, what lost servers do to them; beside the analytic answer
jobs.py      windows filled job after job while servers fail and are repaired
option.py    every load of an option
confirm.py   the recommended option is replayed, given more machines until it holds, or marked
"""
