"""Discrete-event simulation of a plan: the demand's busiest hour replayed on the machines of the plan.

servers.py   a capability as a server: iteration-level batching, or a queue of batches
services.py  a service at its peak: share in time, percentiles, the effect of lost servers; and the analytic answer
jobs.py      windows filled job after job while servers fail and are repaired
replayer.py  every load of an option
confirm.py   the recommended option is replayed, given more machines until it holds, or marked
"""
