"""Why a plan is as it is: runners-up, break-evens, sensitivities, savings; data first, words in `wording`."""
