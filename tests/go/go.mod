module closecheck.test/witness

go 1.18
