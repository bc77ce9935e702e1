#!/usr/bin/env bash
# The entry point of the image: PrairieLearn runs it for every submission, as root, with /grade/student and /grade/tests in
# place. It always leaves /grade/results/results.json.
#
# VAE_GRADE_ROOT and VAE_GRADER_PYTHON are for tests.
set -uo pipefail # not -e: results.json says what failed

root="${VAE_GRADE_ROOT:-/grade}"
python="${VAE_GRADER_PYTHON:-python}"
results="$root/results/results.json"

# A submission runs as another user, who must see neither the secret nor the results.
umask 077
mkdir -p "$root/results"
for folder in data tests results; do
    if [ -e "$root/$folder" ]; then chmod -R go-rwx "$root/$folder"; fi
done

cd "$(dirname "$0")/project" && "$python" -B -m grader.platforms.prairielearn "$root"
status=$?

if [ "$status" -ne 0 ]; then
    echo "the grader ended with exit status $status"
fi
if [ ! -s "$results" ]; then
    cat >"$results" <<'JSON'
{
 "gradable": false,
 "format_errors": ["The grader could not be started. This is not your mistake: please tell your instructor."]
}
JSON
fi
exit 0
