# Networks of specs and of files.
spec=fixture/../../specs/bpnet_train_m1_coco.yaml
small='-d 64,96 --cpu ref --threads 1'
thin='--set model.width_multiplier=0.125'
# Memory is the planner's business, the hash that of random numbers: not written down here.
run inspect $spec --summary $small | grep -v ^memory
run inspect $spec --summary --set model.stages=2 $thin $small --json |
    grep -v -e memory -e hash
run inspect $spec $thin $small | sed -n '6,14p'
run inspect $spec -d 10
run inspect $spec -d 8,8,1
run inspect $spec -d 0,8
run inspect nowhere.bpnet
run inspect fixture/io/baseline.jpg
run inspect
