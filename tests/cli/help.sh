# What a newcomer types first.
run
run help help
run help dataset_convert
run help train
run help evaluate
run help inference
run help doctor
run help --man version
run version
run --version
run version --json
run version --gpus 2 -k secret
run versoin
run train-everything
run version --jsn
run version extra
run version --threads many
run version --threads -1
run version --cpu fast
run version --compat
run version --compat tlt
run version --compat=tlt
run version --compat=tao
run version --compat tao
run version --compat -- tlt
run train --compat tao -e train.yaml
run inspect --compat tao net.bpnet
run inference --compat nowhere.jpg
run help nothing
run doctor --json | grep '"check"'
run help help | head -1
stdout=/dev/full
run version
