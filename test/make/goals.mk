# The goals that install what they need themselves: see the scripts.

.PHONY: $(OWN_GOALS)

demo:
	@demo/run
demo-stop:
	@demo/stop
check:
	@test/run-check
fuzz:
	@test/run-fuzz
bench:
	@bench/run
bench-smoke:
	@bench/run --smoke

# other goals named beside one of these
OTHER_GOALS = $(filter-out $(OWN_GOALS),$(MAKECMDGOALS))
ifneq (,$(OTHER_GOALS))
.PHONY: $(OTHER_GOALS)
$(OTHER_GOALS):
	@$(MAKE) $@
endif
