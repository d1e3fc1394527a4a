"""Runs a workload's own stages on torch's ``meta`` device, where tensors have no values, and writes down its operators."""
