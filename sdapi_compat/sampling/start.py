"""STOPGAP."""

from __future__ import annotations
import math
import torch
from sdapi_compat.sampling.ask import Denoise, PredictNoise

def euler(x, sigmas):
    for i in range(len(sigmas) - 1):
        d = (x - (yield Denoise(x, sigmas[i], i))) / sigmas[i]
        x = x + d * (sigmas[i + 1] - sigmas[i])
    return x

def euler_a(x, sigmas, noise, eta=1.0):
    for i in range(len(sigmas) - 1):
        den = yield Denoise(x, sigmas[i], i)
        s, t = sigmas[i], sigmas[i + 1]
        su = min(t, eta * math.sqrt(max(t**2 * (s**2 - t**2) / s**2, 0)))
        sd = math.sqrt(max(t**2 - su**2, 0))
        x = x + (x - den) / s * (sd - s)
        if t > 0:
            x = x + noise() * su
    return x

def dpmpp_2m(x, sigmas):
    old = None
    for i in range(len(sigmas) - 1):
        den = yield Denoise(x, sigmas[i], i)
        s, t = sigmas[i], sigmas[i + 1]
        if t == 0:
            x = den
            old = den
            continue
        h = math.log(s) - math.log(t)
        dd = den
        if old is not None:
            r = (math.log(sigmas[i - 1]) - math.log(s)) / h
            dd = (1 + 1 / (2 * r)) * den - (1 / (2 * r)) * old
        x = (t / s) * x - math.expm1(-h) * dd
        old = den
    return x

def ddim(x, ts, schedule, noise, eta=0.0):
    for step, idx in enumerate(range(len(ts) - 1, 0, -1)):
        a, ap = schedule.alpha_bar(ts[idx]), schedule.alpha_bar(ts[idx - 1])
        e = (yield PredictNoise(x, float(ts[idx]), step)).eps
        sig = eta * math.sqrt((1 - ap) / (1 - a) * (1 - a / ap))
        x0 = (x - math.sqrt(1 - a) * e) / math.sqrt(a)
        x = math.sqrt(ap) * x0 + math.sqrt(1 - ap - sig**2) * e + sig * noise()
    return x


from dataclasses import dataclass
from typing import Any

@dataclass
class SamplerRun:
    rules: Any
    plan: Any
    schedule: Any
    noise: Any
    clean: Any

    @property
    def steps(self):
        t = self.rules.t_enc
        if t is not None:
            return t + 1
        return len(self.plan.timesteps) or len(self.plan.sigmas) - 1


def start(run):
    name, t_enc = run.rules.recipe.sampler, run.rules.t_enc
    first = run.noise.first()
    if run.plan.timesteps:
        ts = run.plan.timesteps
        x = first
        if run.clean is not None:
            a = run.schedule.alpha_bar(ts[t_enc])
            x = math.sqrt(a) * run.clean + math.sqrt(1 - a) * first
            ts = ts[:t_enc]
        return ddim(x, ts, run.schedule, run.noise.next, run.rules.eta)
    sig = run.plan.sigmas
    if run.clean is not None:
        sig = sig[len(sig) - 1 - t_enc - 1:]
        x = run.clean + first * sig[0]
    else:
        x = first * sig[0]
    if name == "Euler a":
        return euler_a(x, sig, run.noise.next, run.rules.eta)
    if name == "DPM++ 2M":
        return dpmpp_2m(x, sig)
    return euler(x, sig)
