package org.mobilevitedge.core

import java.io.File
import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class LatencyMeasurementTest {
    private val device = PlayedDevice(generateSequence { calm() }.iterator())
    private val models = mutableListOf<PlayedDevice.Model>()

    private val bundle = Bundle(File("any/demo"), ManifestReader.read(Vectors.text("bundle/manifest.json")), emptyList())

    private fun run(plan: BenchPlan, observer: PlayedObserver = PlayedObserver()) =
        LatencyMeasurement(device, plan, observer).run(bundle, ByteBuffer.allocate(4), ::load)

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
        val between = run(BenchPlan(rounds = 5, runs = 10), PlayedObserver { if (it.samples.size >= 20) "enough" else null })
        assertEquals(listOf(10, 10), between.series.map { it.samplesNs.size })
        // In the middle of a round too: nobody waits for thousands of calls.
        val within = run(BenchPlan(rounds = 5, runs = 10), PlayedObserver { if (it.samples.size >= 13) "enough" else null })
        assertEquals(listOf(10, 3), within.series.map { it.samplesNs.size })
    }

    @Test
    fun `one that is stopped before a sample says so`() {
        val error = assertFailsWith<BundleException> { run(BenchPlan(), PlayedObserver { if (it.begun.isEmpty()) null else "stopped by the user" }) }
        assertEquals("stopped by the user", error.message)
        assertTrue(models.all { it.closed })
    }

    @Test
    fun `samples are heard as they come`() {
        val observer = PlayedObserver()
        val result = run(BenchPlan(warmUp = 2, runs = 3, rounds = 2), observer)
        assertEquals(result.series.flatMap { it.samplesNs }, observer.samples)
        assertEquals(listOf(1, 2), observer.begun)
    }

    @Test
    fun `what disturbs a round is in its flags, what disturbs a pause is not`() {
        val away = object : BenchDevice by device {
            override fun sleep(milliseconds: Long) = device.interruptions.once("a call in the pause")
        }
        val observer = PlayedObserver { if (it.samples.size == 5) device.interruptions.once("the app was in the background"); null }
        val result = LatencyMeasurement(away, BenchPlan(runs = 4, rounds = 3), observer).run(bundle, ByteBuffer.allocate(4), ::load)
        val expected = listOf(emptyList(), listOf(Flag(Flag.Kind.INTERRUPTED, "the app was in the background")), emptyList())
        assertEquals(expected, result.series.map { it.flags })
    }

    @Test
    fun `a clock too coarse for the model gives no zero`() {
        val still = object : BenchDevice by device {
            override fun nanoTime() = 0L
        }
        val result = LatencyMeasurement(still, BenchPlan(runs = 4), PlayedObserver()).run(bundle, ByteBuffer.allocate(4), ::load)
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
