"""Risk of a plan: every option computed in the same Monte Carlo scenarios.

scenarios.py             the random streams, one for each input by its name; what all options share; prices that move over the years
service_rate.py          requests of a service, and the service rate of a load, in every scenario
load_samples.py          machines that a load needs and keeps busy in every scenario; Erlang's C for arrays
fleet_service.py         scenarios in which a fleet meets every SLO and deadline; out of memory; limits that more servers exceed
costs.py                 cost of an option in every scenario, by line
probabilities.py         probabilities and 80 % intervals of an option
counted_risk.py          what is counted over scenarios as Estimates with their inputs
safer.py                 servers added to reach the demanded confidence, and the cheapest ways to raise P(SLO)
growth_path.py           fleet at the end of each year, bought in stages or upfront
rent_vs_buy.py           break-even of owning against renting and APIs, by volume
value_of_information.py  measurements that would narrow the plan most
analysis.py              all of it for a plan, with drivers of cost and P(SLO) and the expected regret

A value is computed with every input at its central value, so that the lines of a cost add up to it; its interval runs from the
10th to the 90th percentile of the scenarios. Where inputs are skewed, the median scenario differs from the value.
"""
