package org.mobilevitedge.core

import java.nio.ByteBuffer

/** A device whose clock moves only when something asks the model or sleeps. */
class PlayedDevice(private val states: Iterator<DeviceState>) : BenchDevice {
    var now = 1_000L
    val sleeps = mutableListOf<Long>()
    private var switches = 0L

    override fun nanoTime() = now

    override fun utc() = "2026-01-31T12:00:00Z"

    override fun state() = states.next()

    override fun affinity() = listOf(7)

    override fun involuntarySwitches() = switches

    val interruptions = Interruptions()

    override fun interruptions() = interruptions.take()

    override fun sleep(milliseconds: Long) {
        sleeps += milliseconds
        now += milliseconds * 1_000_000
    }

    /** A model whose calls take 1, 2, 3, ... microseconds. */
    inner class Model : Classifier {
        var calls = 0L
        var closed = false
        override val runtime = "played"
        override val version = "1.0"

        override fun run(input: ByteBuffer): FloatArray {
            check(input.hasRemaining() && !closed)
            input.position(input.limit())
            now += ++calls * 1_000
            switches += 1
            return floatArrayOf(0f)
        }

        override fun close() {
            closed = true
        }
    }
}

/** Hears everything, and stops where [stop] says so. */
class PlayedObserver(private val stop: (PlayedObserver) -> String? = { null }) : BenchObserver {
    val begun = mutableListOf<Int>()
    val samples = mutableListOf<Long>()
    val runs = mutableListOf<Run>()

    override fun begins(bundle: Bundle, round: Int) {
        begun += round
    }

    override fun sampled(ns: Long) {
        samples += ns
    }

    override fun measured(run: Run) {
        runs += run
    }

    override fun stopReason() = stop(this)
}

fun calm() = DeviceState(2400.0, Thermal.NONE, 80.0, false, false)
