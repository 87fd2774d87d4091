"""Speed beside the peers: `make bench` measures, the tests here keep the measuring right."""
