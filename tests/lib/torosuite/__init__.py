# SPDX-License-Identifier: BSD-3-Clause
"""What tests/run-suite is made of: test lists, places to run in, judging, running, reporting."""
