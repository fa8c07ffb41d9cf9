#!/bin/bash
# Pre-training on several GPUs of one or more nodes under Slurm; Lightning reads the rest from Slurm's variables.
# sbatch examples/slurm.sh DATA RUN    (a job that was stopped goes on when submitted again with the same RUN)
#SBATCH --job-name=viewloom
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=128G
#SBATCH --time=12:00:00
#SBATCH --output=%x-%j.log
# One task a GPU: --ntasks-per-node, --gpus-per-node and --trainer.devices must agree.

set -euo pipefail
data=${1:?"usage: sbatch examples/slurm.sh DATA RUN"}
run=${2:?"usage: sbatch examples/slurm.sh DATA RUN"}
resume=$([ -e "$run/config.yaml" ] && echo true || echo false)

# --batch_size is over all processes: 8 here are 2 a GPU, and give what 8 on one GPU give.
srun viewloom pretrain --data "$data" --views v3,e4 --method two_stream --run "$run" --resume "$resume" \
  --batch_size 8 --workers 4 --trainer.progress false \
  --trainer.accelerator cuda --trainer.devices "$SLURM_NTASKS_PER_NODE" --trainer.num_nodes "$SLURM_NNODES" \
  --trainer.precision bf16-mixed

# Without Slurm, on one machine with four GPUs ("--" keeps torchrun from reading --run as its own option):
#   torchrun --standalone --nproc_per_node 4 -- "$(which viewloom)" pretrain --trainer.devices 4 ...
# or let Lightning start the processes: viewloom pretrain --trainer.devices 4 ...
