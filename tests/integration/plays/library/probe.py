# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says where and as what it runs; takes its time, or dies, when asked to."""

from __future__ import annotations

import os
import sys
import time

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        {
            "begun": {"type": "path"},
            "seconds": {"type": "float", "default": 0},
            "die": {"type": "bool", "default": False},
            "fail": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    if module.params["begun"]:
        open(module.params["begun"], "w").close()
    begun = time.time()
    time.sleep(module.params["seconds"])
    if module.params["die"]:
        os._exit(3)
    if module.params["fail"]:
        module.fail_json(msg=module.params["fail"])
    module.exit_json(
        machine=os.environ.get("LAB_MACHINE"),
        python=sys.executable,
        check=module.check_mode,
        became=os.environ.get("LAB_BECAME"),
        setting=os.environ.get("LAB_SETTING"),
        times=[begun, time.time()],
        secret=module.params["secret"],
    )


if __name__ == "__main__":
    main()
