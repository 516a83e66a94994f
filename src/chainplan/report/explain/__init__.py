"""Why a plan is as it is: runners-up, break-evens, sensitivities and savings as data, put into words by `wording`."""
