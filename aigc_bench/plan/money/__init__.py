"""Money: dated offers, capex and opex by line, cash flow, cost per unit and break-even, as pure functions of Estimates."""
