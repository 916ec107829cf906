"""For the tests of applications and of other providers' adapters (extra `testing`)."""
