"""Ctrl-C, SIGTERM and SIGHUP end a command alike; what is being closed is closed, however often the keys are pressed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from aigc_bench.core.interrupts import SIGNALS, terminated_as_interrupt


@pytest.fixture(autouse=True)
def _usual_answers() -> Iterator[None]:
    """A suite under ``nohup`` is started with SIGHUP ignored, which the program would respect."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_is_an_interrupt_and_the_old_answer_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupt():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_what_is_held_comes_to_its_end_before_the_interrupt_is_raised() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupt() as interrupts:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGHUP)
            done.append("closed")
        interrupts.settle()
        done.append("reported")
    assert done == ["closed"]


def test_a_second_interrupt_does_not_break_into_what_the_first_one_unwinds() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupt() as interrupts:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("closed")
        interrupts.settle()
        done.append("reported")
    assert done == ["closed"]


def test_without_a_second_interrupt_there_is_nothing_to_settle() -> None:
    with terminated_as_interrupt() as interrupts:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            interrupts.settle()
    assert interrupts.count == 1


def test_a_third_interrupt_ends_the_process() -> None:
    program = """
import os, signal
from aigc_bench.core.interrupts import terminated_as_interrupt
with terminated_as_interrupt() as interrupts, interrupts.held():
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGINT)
    print("never")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminated_as_interrupt() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.count == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[bool] = []

    def work() -> None:
        with terminated_as_interrupt():
            seen.append([signal.getsignal(number) for number in SIGNALS] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
