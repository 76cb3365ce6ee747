#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A class on a cluster: sbatch --array=1-N grade/ci/slurm-array.sh submissions, N being how many.
# Each task grades one submission; afterwards: make batch-merge RECORDS=records LAB=pv OUT=class.csv
#SBATCH --cpus-per-task=2 --mem=4G --time=00:30:00
set -eu
submissions=$(realpath "$1")
name=$(ls "$submissions" | sed -n "${SLURM_ARRAY_TASK_ID}p")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git clone -q . "$tree"
make -s -C "$tree" batch SUBMISSIONS="$submissions" ONLY="$name" LAB="${LAB:-pv}" \
	OUT="$PWD/records/$SLURM_ARRAY_TASK_ID"
