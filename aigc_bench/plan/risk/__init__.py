"""How sure a plan is: every option in the same drawn worlds.

worlds.py    the streams of draws, one for each input by its name
ground.py    what all options of a plan share: demand, rules, worlds, how far prices move
asked.py     what a service asks in every world
pace.py      how fast a load runs in every world
waiting.py   Erlang's C for arrays, and replicas that keep the SLO
loads.py     machines that a load needs and keeps busy in every world
fleet.py     worlds in which a fleet meets every SLO and deadline
memory.py    probability that a load's memory need exceeds what is usable
prices.py    how a floating price moves over the life of a plan
lines.py     how each line of a cost moves
cost.py      what an option costs in every world
chances.py   probabilities and 80 % intervals of an option
records.py   what is said of a plan
tornado.py   which inputs move cost and P(SLO) most
regret.py    what the recommendation costs more than the best of each world
surer.py     what it takes to be surer
path.py      the fleet at the end of each year, bought in stages or at once
certain.py   all of it for a plan

The value of a figure has every input at its middle, so that the lines of a cost add up to it; its interval holds 80 % of the
worlds, from their 10th to their 90th percentile. Where inputs are skewed the middle world lies beside the value.
"""
