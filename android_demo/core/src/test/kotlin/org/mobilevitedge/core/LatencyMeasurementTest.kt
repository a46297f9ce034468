package org.mobilevitedge.core

import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class LatencyMeasurementTest {
    private val device = PlayedDevice(generateSequence { calm() }.iterator())
    private val models = mutableListOf<PlayedDevice.Model>()

    private fun run(plan: BenchPlan, progress: (Int) -> Boolean = { true }) =
        LatencyMeasurement(device, plan).run(ByteBuffer.allocate(4), ::load, progress)

    private fun load(): Classifier {
        device.now += 5_000
        return device.Model().also { models += it }
    }

    @Test
    fun `warm-up is kept apart, and every round has a model of its own`() {
        val result = run(BenchPlan(warmUp = 2, runs = 3, rounds = 2, coolDownSeconds = 7))
        assertEquals(ColdStart(5_000, 1_000), result.coldStart)
        assertEquals(listOf(listOf(1_000L, 2_000L), listOf(1_000L, 2_000L)), result.series.map { it.warmUpNs })
        assertEquals(listOf(listOf(3_000L, 4_000L, 5_000L), listOf(3_000L, 4_000L, 5_000L)), result.series.map { it.samplesNs })
        assertEquals(listOf(3L, 3L), result.series.map { it.involuntarySwitches })
        // Between rounds alone.
        assertEquals(listOf(7_000L), device.sleeps)
        assertEquals(2, models.size)
        assertTrue(models.all { it.closed })
    }

    @Test
    fun `a stopped measurement keeps what it has`() {
        val result = run(BenchPlan(rounds = 5)) { done -> done < 2 }
        assertEquals(2, result.series.size)
    }

    @Test
    fun `a clock too coarse for the model gives no zero`() {
        val still = object : BenchDevice by device {
            override fun nanoTime() = 0L
        }
        val result = LatencyMeasurement(still, BenchPlan(runs = 4)).run(ByteBuffer.allocate(4), ::load) { true }
        assertEquals(setOf(1L), result.series.flatMap { it.samplesNs }.toSet())
    }

    @Test
    fun `heat, another clock and battery saver are reasons to doubt`() {
        val hot = calm().copy(thermal = Thermal.SEVERE, clockMhz = 1800.0, lowPower = true)
        val flags = LatencyMeasurement.doubts(calm(), hot)
        assertEquals(listOf(Flag.Kind.THROTTLED, Flag.Kind.CLOCK_CHANGED, Flag.Kind.LOW_POWER), flags.map { it.kind })
        assertEquals("thermal status none -> severe", flags.first().reason)
    }

    @Test
    fun `a calm device, or one that tells nothing, gives none`() {
        val silent = DeviceState(null, null, null, null, null)
        assertEquals(emptyList(), LatencyMeasurement.doubts(calm(), calm().copy(clockMhz = 2300.0, thermal = Thermal.LIGHT)))
        assertEquals(emptyList(), LatencyMeasurement.doubts(silent, silent))
    }

    @Test
    fun `a plan out of range is refused in words`() {
        BenchPlan().check()
        val plans = listOf(BenchPlan(warmUp = 0), BenchPlan(runs = 0), BenchPlan(rounds = 101), BenchPlan(coolDownSeconds = -1), BenchPlan(threads = 0))
        for (plan in plans) {
            val error = assertFailsWith<BundleException> { plan.check() }
            assertTrue("it must be" in error.message!!)
        }
    }
}
