"""Every miner whose API is known, one row each.

Each row names what its format was taken from. RainbowMiner is RainbowMiner/RainbowMiner, UG-Miner
is UselessGuru/UG-Miner, Hive OS is minershive/hiveos-linux, each with its readers of miners' APIs.
"""

from __future__ import annotations

from agent.core.options import Options
from agent.drivers.miners.flags import (
    address,
    host,
    never,
    no_watchdog,
    port,
    switch,
    value,
    watchdog,
)
from agent.drivers.miners.row import Gpus, Miner

_FOREGROUND = "the agent would lose sight of it"
_REBOOTS = "the agent alone decides what restarts or reboots"
_OPEN = "No option is known that binds its API to loopback: keep the port behind a firewall."

MINERS = (
    # XMRig: doc/api of xmrig/xmrig.
    Miner(
        driver="xmrig",
        title="XMRig",
        path="/2/summary",
        hashrate=("hashrate.total[0]", "hashrate.total[1]", "hashrate.total[2]"),
        accepted=("results.shares_good", "connection.accepted"),
        rejected=("connection.rejected",),
        pool=("connection.pool",),
        uptime=("uptime",),
        algorithm=("algo", "connection.algo"),
        paused="paused",
        flags=(
            host("--http-host", required=False),
            port("--http-port", required=False),
            never("--background", "-B", why=_FOREGROUND),
        ),
        options=Options(
            wallets=("-u", "--user", "-O", "--userpass"),
            pools=("-o", "--url"),
            files=("config.json",),
        ),
    ),
    # T-Rex: README of trexminer/T-Rex; RainbowMiner; UG-Miner. Older versions listen everywhere.
    Miner(
        driver="trex",
        title="T-Rex",
        path="/summary",
        hashrate=("hashrate",),
        accepted=("accepted_count",),
        rejected=("rejected_count",),
        pool=("active_pool.url",),
        uptime=("uptime",),
        algorithm=("algorithm",),
        paused="paused",
        gpus=Gpus(
            pci_bus="gpus[].pci_bus",
            hashrate="gpus[].hashrate",
            accepted="gpus[].shares.accepted_count",
        ),
        flags=(address("--api-bind-http"), no_watchdog("--no-watchdog")),
        options=Options(wallets=("-u", "--user", "--user2"), pools=("-o", "--url", "--url2")),
    ),
    # lolMiner: README of Lolliedieb/lolMiner-releases; UG-Miner. The PCI bus is decimal (Hive OS).
    Miner(
        driver="lolminer",
        title="lolMiner",
        path="/summary",
        hashrate=("Algorithms[0].Total_Performance",),
        factor="Algorithms[0].Performance_Factor",
        unit="Algorithms[0].Performance_Unit",
        accepted=("Algorithms[0].Total_Accepted",),
        rejected=("Algorithms[0].Total_Rejected",),
        stale=("Algorithms[0].Total_Stales",),
        pool=("Algorithms[0].Pool",),
        uptime=("Session.Uptime",),
        algorithm=("Algorithms[0].Algorithm",),
        gpus=Gpus(
            pci_bus="Workers[].PCIE_Address",
            hashrate="Algorithms[0].Worker_Performance[]",
            accepted="Algorithms[0].Worker_Accepted[]",
        ),
        flags=(
            port("--apiport"),
            host("--apihost"),
            watchdog("--watchdog", values=("exit", "off")),
        ),
        options=Options(
            wallets=("-u", "--user", "--dualuser"), pools=("-p", "--pool", "--dualpool")
        ),
    ),
    # Rigel: README of rigelminer/rigel; RainbowMiner; UG-Miner.
    Miner(
        driver="rigel",
        title="Rigel",
        path="/stat",
        hashrate=("hashrate.<algorithm>",),
        accepted=("solution_stat.<algorithm>.accepted",),
        rejected=("solution_stat.<algorithm>.rejected",),
        pool=("pools.<algorithm>[0].connection_details.hostname",),
        uptime=("uptime",),
        algorithm=("algorithm",),
        gpus=Gpus(
            pci_bus="devices[].pci_address",
            hashrate="devices[].hashrate.<algorithm>",
            accepted="devices[].solution_stat.<algorithm>.accepted",
        ),
        flags=(address("--api-bind"), no_watchdog("--no-watchdog")),
        options=Options(wallets=("-u", "--username"), pools=("-o", "--url")),
    ),
    # GMiner: README of develsoftware/GMinerRelease; a recorded answer in Hive OS.
    Miner(
        driver="gminer",
        title="GMiner",
        path="/stat",
        hashrate=("devices[].speed",),
        unit="speed_unit",
        accepted=("total_accepted_shares", "devices[].accepted_shares"),
        rejected=("total_rejected_shares", "devices[].rejected_shares"),
        stale=("total_stale_shares", "devices[].stale_shares"),
        pool=("server",),
        uptime=("uptime",),
        algorithm=("algorithm",),
        gpus=Gpus(
            pci_bus="devices[].bus_id",
            hashrate="devices[].speed",
            accepted="devices[].accepted_shares",
        ),
        flags=(port("--api"), watchdog("--watchdog", "-w", values=("0",))),
        caution=_OPEN,
        options=Options(
            wallets=("-u", "--user", "--duser", "--zil_user"),
            pools=("-s", "--server", "--dserver", "--zil_server"),
            ports=("-n", "--port", "--dport"),
        ),
    ),
    # NBMiner: UG-Miner; Hive OS.
    Miner(
        driver="nbminer",
        title="NBMiner",
        path="/api/v1/status",
        hashrate=("miner.total_hashrate_raw",),
        accepted=("stratum.accepted_shares",),
        rejected=("stratum.rejected_shares",),
        pool=("stratum.url",),
        algorithm=("stratum.algorithm",),
        gpus=Gpus(
            pci_bus="miner.devices[].pci_bus_id",
            hashrate="miner.devices[].hashrate_raw",
            accepted="miner.devices[].accepted_shares",
        ),
        flags=(address("--api"), no_watchdog("--no-watchdog")),
        options=Options(
            wallets=("-u", "--user", "-u1", "-u2", "-du", "--secondary-user"),
            pools=("-o", "--url", "-o1", "-o2", "-do", "--secondary-url"),
        ),
    ),
    # TeamRedMiner: Hive OS; RainbowMiner; API-README of ckolivas/cgminer, whose answers to several
    # commands at once stand in lists. Its index of a GPU is not a PCI bus.
    Miner(
        driver="teamredminer",
        title="TeamRedMiner",
        line='{"command":"summary+devs"}',
        hashrate=("summary.SUMMARY[0].KHS 30s", "summary[0].SUMMARY[0].KHS 30s"),
        factor=1e3,
        accepted=("summary.SUMMARY[0].Accepted", "summary[0].SUMMARY[0].Accepted"),
        rejected=("summary.SUMMARY[0].Rejected", "summary[0].SUMMARY[0].Rejected"),
        stale=("summary.SUMMARY[0].Stale", "summary[0].SUMMARY[0].Stale"),
        uptime=("summary.SUMMARY[0].Elapsed", "summary[0].SUMMARY[0].Elapsed"),
        gpus=Gpus(hashrate="devs.DEVS[].KHS 30s", accepted="devs.DEVS[].Accepted"),
        flags=(address("--api_listen"), never("--watchdog_script", why=_REBOOTS)),
        caution="It mines on AMD GPUs, so `-d` must name them; the agent chooses NVIDIA's only.",
        options=Options(wallets=("-u", "--user"), pools=("-o", "--url")),
    ),
    # SRBMiner-Multi: its own Readme.txt; Hive OS; UG-Miner.
    Miner(
        driver="srbminer",
        title="SRBMiner-Multi",
        path="/",
        hashrate=(
            "algorithms[0].hashrate.gpu.total",
            "algorithms[0].hashrate.now",
            "algorithms[0].hashrate.cpu.total",
        ),
        accepted=("algorithms[0].shares.accepted",),
        rejected=("algorithms[0].shares.rejected",),
        pool=("algorithms[0].pool.pool",),
        uptime=("mining_time",),
        algorithm=("algorithms[0].name",),
        gpus=Gpus(pci_bus="gpu_devices[].bus_id", hashrate="algorithms[0].hashrate.gpu.gpu#"),
        flags=(
            switch("--api-enable", "without it there is no API"),
            port("--api-port"),
            never("--api-rig-restart-url", why=_REBOOTS),
            never("--api-miner-restart-url", why=_REBOOTS),
            never("--api-rig-shutdown-url", why=_REBOOTS),
            never("--reboot-script-gpu-watchdog", why=_REBOOTS),
            never("--background", why=_FOREGROUND),
        ),
        caution=_OPEN,
        options=Options(wallets=("--wallet",), pools=("--pool",)),
    ),
    # BzMiner: UG-Miner; RainbowMiner.
    Miner(
        driver="bzminer",
        title="BzMiner",
        path="/status",
        hashrate=("devices[].hashrate[0]",),
        accepted=("devices[].valid_solutions[0]", "pools[0].valid_solutions"),
        rejected=("devices[].rejected_solutions[0]", "pools[0].rejected_solutions"),
        stale=("devices[].stale_solutions[0]", "pools[0].stale_solutions"),
        pool=("pools[0].current_url",),
        uptime=("uptime_s",),
        algorithm=("pools[0].algorithm",),
        gpus=Gpus(hashrate="devices[].hashrate[0]", accepted="devices[].valid_solutions[0]"),
        flags=(
            value("--http_enabled", "1", why="without it there is no API"),
            host("--http_address"),
            port("--http_port"),
            no_watchdog("--no_watchdog"),
        ),
        options=Options(
            wallets=("-w", "--wallet", "--w2", "--wallet2"),
            pools=("-p", "--pool", "--p2", "--pool2"),
        ),
    ),
    # OneZeroMiner: UG-Miner.
    Miner(
        driver="onezerominer",
        title="OneZeroMiner",
        path="/",
        hashrate=("algos[0].total_hashrate",),
        accepted=("algos[0].total_accepted_shares",),
        rejected=("algos[0].total_rejected_shares",),
        pool=("algos[0].pool",),
        uptime=("uptime_seconds",),
        algorithm=("algos[0].name",),
        gpus=Gpus(
            pci_bus="devices[].bus_id",
            hashrate="algos[0].hashrates[]",
            accepted="algos[0].devices_accepted_shares[]",
        ),
        flags=(port("--api-port"),),
        caution=_OPEN,
        options=Options(wallets=("-w", "--wallet"), pools=("-o", "--pool")),
    ),
    # miniZ: UG-Miner; Hive OS. Its answers follow those of EWBF's miner.
    Miner(
        driver="miniz",
        title="miniZ",
        line='{"id":"0","method":"getstat"}',
        hashrate=("result[].speed_sps", "result[].sol_ps"),
        accepted=("result[].accepted_shares",),
        rejected=("result[].rejected_shares",),
        pool=("current_server",),
        algorithm=("algorithm",),
        gpus=Gpus(
            pci_bus="result[].busid",
            hashrate="result[].speed_sps",
            accepted="result[].accepted_shares",
        ),
        flags=(port("--telemetry"),),
        caution="What a bare port is bound to is not known: keep it behind a firewall.",
        options=Options(
            wallets=("-u", "--user"), pools=("-l", "--url", "--server"), ports=("--port",)
        ),
    ),
)
