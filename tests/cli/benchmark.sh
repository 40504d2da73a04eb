# What a benchmark tells; the figures are the machine's and not written down here.
"$MAKE_STICKS" . || exit
model=fixture/../../models/bpnet-light.bpnet
quick='-d 64,96 --threads 1 --duration 0.05 --warm_up 0 --cpu ref'
figures() { sed -E -e 's/[0-9]+(\.[0-9]+)?/#/g' -e 's/ +/ /g' | grep -v -e ^warning: -e ^memory; }
run benchmark -m $model $quick images/val_0000.jpg | figures
run benchmark -m $model $quick --draw images/val_0000.jpg | figures | grep stages
run benchmark -m $model $quick --compat images/val_0000.jpg | figures | grep -e stages -e Execution
run benchmark -m $model $quick --json images/val_0000.jpg 2> nothing | sed -n '/"stages_ms"/,/}/p' | figures
run benchmark -m $model $quick --draw --json images/val_0000.jpg 2> nothing | grep '"draw"' | figures
run benchmark -m $model $quick --streams 2 --batch 2 --json 2> nothing |
    sed -E -e 's/: -?[0-9.e+-]+(,?)$/: #\1/' | grep -v -e cpu -e warning:
run benchmark -m $model $quick --dump-profile profile.json --quiet > nothing 2>&1
grep -c time_us profile.json
run benchmark -m $model $quick --dump-profile - | grep -A1 '^layer' | figures
run benchmark -m $model -d 64
run benchmark -m $model -d 64,96,1
run benchmark -m nowhere.engine
run benchmark -m fixture/io/baseline.jpg
run benchmark -m $model $quick fixture/io/text.jpg
run benchmark -m $model --streams 0
run benchmark -m $model $quick --dump-profile nowhere/profile.json | tail -n 2
