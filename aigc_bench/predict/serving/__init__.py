"""Served language models: continuous batching, simulated step by step and reckoned stretch by stretch.

How an engine schedules (vLLM V1's rules; first come, first served). A *step* is one pass through the model. For each step:

    1. Every sequence that decodes gets one token. Its KV block is taken first; when none is free, the sequence that was admitted
       last loses its blocks and goes back to the head of the queue (preemption by recomputation), and no request is admitted.
    2. A prompt under way gets the next chunk, up to what is left of the token budget (``max_num_batched_tokens``).
    3. The head of the queue is admitted with its first chunk while budget, places (``max_num_seqs``) and blocks last.
    4. The step takes ``StepTime`` seconds. Then each decoding sequence has one more token, and each prompt that is complete has its
       first. Arrivals are seen at the start of the next step.

       arrival      admitted          first token                        end
          |--queueing--|--prefill chunks--|--itl--|--itl--| ... |--itl--|
          |------------- TTFT ------------|------ TPOT x (tokens - 1) ------|

SGLang's schedule (``prompts_first``) reads prompts in steps of their own, as many as wait and fit, while decoding stands still;
a prompt is admitted only where all of it has blocks. Its steps are else the same.

Most steps are like the one before: the same sequences decode, each with one token more to attend to. Until the next end of a
sequence, the next missing block or the next arrival that could be admitted, k steps take ``k t + g k (k - 1) / 2`` seconds, so the
simulation jumps from event to event (``replica.py``), and is exact: a plain simulator, one step at a time, gives the same moments
to the last bit where sums are exact (``tests/predict/test_serving_exactness.py``). A run costs a few events per request and not
one per token. Each run checks Little's law: the replicas' own count of requests against the requests' own times.

    server_model.py      limits, policies, replicas; the SLO      step_time.py       seconds of a step, in closed form for many
    request_arrivals.py  when requests come, seeded               replica.py         one engine, from event to event
    lengths.py           how long they are                        event_loop.py      requests against replicas -> History
    trace_file.py        requests recorded in a CSV file          window_summary.py  History -> ServingResult
    kv_blocks.py         KV blocks, counted by phase              capacity.py        simulate, estimate, highest_rate
    batch_queue.py       services that answer batches: M/G^[b]/c
"""
