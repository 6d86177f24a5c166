# Copyright (c) 2026 The zerodowntime.bluegreen project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as a program, until Ctrl-C: for a playbook in another process, and to try a release without an account.

Usage: serve [--port 5000] [--shop] [--haproxy PROGRAM]

It prints the environment by which every SDK, the aws CLI and Ansible's modules reach it, one C(NAME=value) a line, and
then C(ready). With --shop an app stands there already: a load balancer, a listener and both target groups, v1 on blue.
The front doors of listeners, which are ports of this machine, are at http://127.0.0.1:PORT/lab.
"""

from __future__ import annotations

import argparse
import signal
import threading

from tests.lab.aws.cloud import Cloud
from tests.lab.aws.shop import Shop


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="of AWS's API; 0: a free one")
    parser.add_argument("--shop", action="store_true", help="with an app to release")
    parser.add_argument("--haproxy", help="the program, where it is not on the PATH")
    arguments = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_signal: over.set())
    with Cloud(port=arguments.port) as cloud:
        cloud.edge.binary = arguments.haproxy or cloud.edge.binary
        for name, value in cloud.environment.items():
            print(f"{name}={value}")
        if arguments.shop:
            shop = Shop(cloud)
            shop.launch("blue", "v1", 2)
            shop.wait_healthy("blue", 2)
            print(f"LAB_LISTENER={shop.listener}")
            for slot, group in shop.groups.items():
                print(f"LAB_{slot.upper()}={group}")
            print(f"LAB_URL={shop.url}")
        print("ready", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
