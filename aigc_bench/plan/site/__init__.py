"""Site equipment as pure functions of counts: fabric, bill of materials, racks, cooling, power and carbon."""
