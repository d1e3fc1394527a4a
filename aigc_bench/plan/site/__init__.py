"""What has to stand in the room: fabric, bill of materials, racks, cooling, power and carbon, as pure functions of counts."""
