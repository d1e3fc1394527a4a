"""Risk of a plan: every option computed in the same Monte Carlo scenarios.

scenarios.py             the random streams, one for each input by its name
scenario_context.py      what all options of a plan share: demand, rules, scenarios, price volatility
demand_samples.py        requests of a service in every scenario
service_rate.py          service rate of a load in every scenario
waiting.py               Erlang's C for arrays, and the replicas that keep the SLO
load_samples.py          machines that a load needs and keeps busy in every scenario
fleet_service.py         scenarios in which a fleet meets every SLO and deadline
memory_overflow.py       probability that a load's memory need exceeds the usable memory
price_drift.py           movement of a floating price over the life of a plan
cost_lines.py            variation of each cost line over scenarios
costs.py                 cost of an option in every scenario
probabilities.py         probabilities and 80 % intervals of an option
tornado.py               inputs that move cost and P(SLO) most
regret.py                expected regret of the recommendation and its nearest rivals
safety_margin.py         servers added to reach the demanded confidence
safer.py                 cheapest ways to raise P(SLO) of the recommendation
limits.py                site and budget limits that more servers would exceed
growth_path.py           fleet at the end of each year, bought in stages or upfront
rent_vs_buy.py           break-even of owning against renting and APIs, by volume
value_of_information.py  measurements that would narrow the plan most
advice.py                the sentences for safer options and lower regret
analysis.py              all of it for a plan

A value is computed with every input at its central value, so that the lines of a cost add up to it; its interval runs from the
10th to the 90th percentile of the scenarios. Where inputs are skewed, the median scenario differs from the value.
"""
