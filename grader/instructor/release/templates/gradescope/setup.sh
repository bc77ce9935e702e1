#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image: Python 3.11, the grader's packages, and closed doors.
#
# For tests and offline images:
#   AUTOGRADER_ROOT     where all lies, in place of /autograder
#   VAE_GRADER_HOME     where Python and the packages go, in place of /opt/vae-grader
#   VAE_GRADER_PYTHON   a Python that has the packages already: nothing is installed
set -euo pipefail

root="${AUTOGRADER_ROOT:-/autograder}"
project="$root/source/project"
home="${VAE_GRADER_HOME:-/opt/vae-grader}" # not below /root: submissions run as other users, and must be able to read Python

# Only root may look into the grader and at the secret.
chmod -R go-rwx "$root/source"

if [ -z "${VAE_GRADER_PYTHON:-}" ]; then
    umask 022
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o Acquire::Retries=3 update

    # The image's own Python is 3.10. Ubuntu 22.04 has a python3.11 too, but only a release candidate. So the same
    # package is taken from the deadsnakes archive; should that be out of reach, Ubuntu's is better than none. Both come
    # with apt, which checks signatures, and both lie where every user can read them.
    if ! command -v python3.11 >/dev/null && grep -q '^ID=ubuntu$' /etc/os-release; then
        { apt-get install -y --no-install-recommends software-properties-common gpg-agent &&
            add-apt-repository -y ppa:deadsnakes/ppa; } || echo "deadsnakes is out of reach: Ubuntu's own python3.11"
    fi
    apt-get -o Acquire::Retries=3 install -y --no-install-recommends python3.11 python3.11-venv

    # PyTorch comes from the index that the offering names, if any: see wheel_index in project/grader/offering.toml.
    # All else, and PyTorch too where none is named, comes from where pip looks by itself.
    python3.11 -m venv "$home"
    index=$(cd "$project" && "$home/bin/python" -B -c 'from grader.judge.offering import load_offering; print(load_offering().wheel_index)')
    if [ -n "$index" ]; then
        "$home/bin/python" -m pip install --no-cache-dir --index-url "$index" torch torchvision
    fi
    "$home/bin/python" -m pip install --no-cache-dir "$project"
    rm -rf "$project/build" "$project"/*.egg-info
fi

# Is all there, and does it work? Better to fail now than for every submission. What is compiled now starts faster.
cd "$project"
"${VAE_GRADER_PYTHON:-$home/bin/python}" -m grader.platforms.gradescope_setup "$root"
