#!/usr/bin/env python3
"""A training step of our networks in PyTorch, for comparison with bpnet on the same machine.

Needs PyTorch (Debian's python3-torch will do). Run by bench/training, which gives it the best
settings we found: channels-last, and a malloc that keeps its pages. Prints one line:
    torch <version> <model> threads=<n> batch=<n> size=<n> <fp32 or bf16> images/s <min> <median> <max> cpu <c>
where <c> is the median of images per second of processor time.
"""
import argparse
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_norm(ci, co, k=3, stride=1, relu=True):
    layers = [nn.Conv2d(ci, co, k, stride, k // 2, bias=False), nn.BatchNorm2d(co)]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = conv_norm(c, c), conv_norm(c, c, relu=False)

    def forward(self, x):
        return F.relu(x + self.b(self.a(x)), inplace=True)


class Stage(nn.Module):
    def __init__(self, ci, trunk):
        super().__init__()
        self.trunk = nn.Sequential(*[conv_norm(ci if i == 0 else 96, 96) for i in range(trunk)])
        self.heat = nn.Sequential(conv_norm(96, 96, 1), nn.Conv2d(96, 19, 1))
        self.paf = nn.Sequential(conv_norm(96, 96, 1), nn.Conv2d(96, 38, 1))

    def forward(self, x):
        t = self.trunk(x)
        return self.heat(t), self.paf(t)


class Light(nn.Module):
    def __init__(self):
        super().__init__()
        self.to8 = nn.Sequential(conv_norm(3, 16, 3, 2), conv_norm(16, 32, 3, 2), Residual(32),
                                 conv_norm(32, 64, 3, 2), Residual(64), Residual(64))
        self.to16 = nn.Sequential(conv_norm(64, 128, 3, 2), Residual(128), Residual(128),
                                  Residual(128))
        self.top, self.skip = conv_norm(128, 96, 1, relu=False), conv_norm(64, 96, 1, relu=False)
        self.fuse = conv_norm(96, 96)
        self.stage1, self.stage2 = Stage(96, 1), Stage(153, 2)

    def forward(self, x):
        s8 = self.to8(x)
        up = F.interpolate(self.top(self.to16(s8)), scale_factor=2, mode="bilinear")
        f = self.fuse(F.relu(up + self.skip(s8)))
        h1, p1 = self.stage1(f)
        h2, p2 = self.stage2(torch.cat([f, h1, p1], 1))
        return h1, h2, p1, p2


def conv_relu(ci, co, k):
    return nn.Sequential(nn.Conv2d(ci, co, k, 1, k // 2), nn.ReLU(inplace=True))


class Vgg(nn.Module):
    """BpNetLiteModel and BpNetModel on the VGG-19 look-alike."""
    ROWS = ((1, 64), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (1, 256), (1, 256), (2, 512),
            (1, 512), (1, 256))

    def __init__(self, full, stages=3):
        super().__init__()
        rows, ci = [], 3
        for stride, co in self.ROWS:
            rows.append(conv_norm(ci, co, 3, stride))
            ci = co
        self.features = nn.Sequential(*rows, conv_relu(256, 128, 3))
        self.stages = nn.ModuleList()
        for stage in range(stages):
            kernels = (3, 3, 3) if stage == 0 else (7, 7, 7, 7, 7)
            hidden = 512 if stage == 0 else 128
            first = 128 if stage == 0 else 185

            def trunk():
                return nn.Sequential(*[conv_relu(first if i == 0 else 128, 128, k)
                                       for i, k in enumerate(kernels)])

            def head(channels):
                return nn.Sequential(conv_relu(128, hidden, 1), nn.Conv2d(hidden, channels, 1))

            heat, paf = trunk(), trunk() if full else nn.Identity()
            self.stages.append(nn.ModuleList([heat, paf, head(19), head(38)]))
        self.full = full

    def forward(self, x):
        f = self.features(x)
        heats, pafs, x = [], [], f
        for heat, paf, heat_head, paf_head in self.stages:
            a = heat(x)
            b = paf(x) if self.full else a
            heats.append(heat_head(a))
            pafs.append(paf_head(b))
            x = torch.cat([f, heats[-1], pafs[-1]], 1)
        return (*heats, *pafs)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", default="light", choices=("light", "lite", "full"))
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--steps", type=int, default=12)
    ap.add_argument("--bf16", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = (Light() if a.model == "light" else Vgg(a.model == "full")).to(memory_format=torch.channels_last)
    opt = torch.optim.Adam(net.parameters(), 1e-3)
    x = torch.randn(a.batch, 3, a.size, a.size).to(memory_format=torch.channels_last)
    s = a.size // 8
    heat, paf = torch.rand(a.batch, 19, s, s), torch.rand(a.batch, 38, s, s)
    mask = torch.ones(a.batch, 1, s, s)
    times, cpu_times = [], []
    warm_up = 3 if a.steps > 3 else 1
    for step in range(a.steps + warm_up):
        start, cpu_start = time.perf_counter(), time.process_time()
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16):
            out = net(x)
        loss = sum(0.5 * ((o.float() - (heat if o.shape[1] == 19 else paf)) * mask).pow(2).sum()
                   for o in out)
        (loss / a.batch).backward()
        opt.step()
        if step >= warm_up:
            times.append(time.perf_counter() - start)
            cpu_times.append(time.process_time() - cpu_start)
    times.sort()
    cpu_times.sort()
    rate = [a.batch / t for t in (times[-1], times[len(times) // 2], times[0])]
    print("torch %s %s threads=%d batch=%d size=%d %s images/s %.2f %.2f %.2f cpu %.2f" %
          (torch.__version__, a.model, a.threads, a.batch, a.size, "bf16" if a.bf16 else "fp32",
           *rate, a.batch / cpu_times[len(cpu_times) // 2]))


if __name__ == "__main__":
    main()
