

def test_money_that_comes_back_has_its_sign_before_the_currency() -> None:
    assert quantity(-579_000.0, "usd") == "-$579,000"
    assert quantity(-12.5, "usd/year") == "-$12.5/year"
