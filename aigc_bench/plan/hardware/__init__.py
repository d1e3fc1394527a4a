"""Hardware that can be bought or was measured: hosts, servers, data sheets, measured machines."""
