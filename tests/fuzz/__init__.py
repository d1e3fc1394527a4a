"""Fuzzing of every file that the program reads: the shipped examples, changed where their structure is, go through the readers.

values, trees, cells, raw    mutations: of single values, of nested tables, of CSV cells, of bytes
written                      changed trees as TOML and JSON again
kinds/                       one file per group of kinds: examples to start from, how they are changed, what reads them
outcome                      what came of an input, judged by the program's own main door
batches                      inputs read in forked children under limits of CPU time and memory
minimise                     a finding made small
campaign, whole, reliability the runs of `make fuzz`, and the figures that they write
corpus/                      every finding there ever was, minimised; the ordinary suite replays it (test_corpus.py)
"""
