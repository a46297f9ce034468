package org.mobilevitedge.core

import java.io.File
import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class BenchRunnerTest {
    private val bundle = Bundle(File("any/demo"), ManifestReader.read(Vectors.text("bundle/manifest.json")), emptyList())
    private val device = PlayedDevice(generateSequence { calm() }.iterator())
    private val plan = BenchPlan(warmUp = 1, runs = 2, rounds = 2, coolDownSeconds = 3)
    private val right = FloatArray(bundle.manifest.model.outputs) { -100f }
        .also { answer -> bundle.manifest.golden.expected.forEach { answer[it.index] = it.value.toFloat() } }

    private inner class Model(private val answer: FloatArray) : Classifier {
        private val played = device.Model()
        override val runtime = "played"
        override val version = "1.0"

        override fun run(input: ByteBuffer): FloatArray {
            played.run(input)
            return answer
        }

        override fun close() = played.close()
    }

    private fun runner(core: Int?, load: (Bundle, Int) -> Classifier) =
        BenchRunner(BenchHost("0.1.0", Run.Device(false, "Pixel 9", "Tensor", 8, null, "15"), core), device, load)

    @Test
    fun `every bundle has its row, and devices cool down between them`() {
        val observer = PlayedObserver()
        val run = runner(7) { _, _ -> Model(right) }.run("a", listOf(bundle, bundle), plan, observer)
        assertEquals(listOf(2, 2), run.rows.map { it.series.size })
        assertEquals(listOf(1, 2, 1, 2), observer.begun)
        // After each bundle there is a run to keep.
        assertEquals(listOf(1, 2), observer.runs.map { it.rows.size })
        assertEquals(run, observer.runs.last())
        assertEquals(listOf(3_000L, 3_000L, 3_000L), device.sleeps)
        assertEquals(mapOf("played" to "1.0"), run.versions)
        assertEquals(emptyList(), run.flags)
    }

    @Test
    fun `a model that answers wrongly has a reason and no latency`() {
        val run = runner(null) { _, _ -> Model(right.map { it + 1 }.toFloatArray()) }.run("a", listOf(bundle), plan, PlayedObserver())
        assertTrue("self-test" in run.rows.single().notRun!!)
        assertEquals(emptyList(), run.rows.single().series)
    }

    @Test
    fun `a model that cannot be loaded does not end the run`() {
        var calls = 0
        val run = runner(null) { _, _ -> if (calls++ == 0) throw BundleException("no such runtime") else Model(right) }
            .run("a", listOf(bundle, bundle), plan, PlayedObserver())
        assertEquals(listOf("no such runtime", null), run.rows.map { it.notRun })
    }

    @Test
    fun `a core that was not given is a reason to doubt`() {
        val run = runner(3) { _, _ -> Model(right) }.run("a", listOf(bundle), plan, PlayedObserver())
        assertEquals(listOf(Flag.Kind.AFFINITY_NOT_IN_EFFECT), run.flags.map { it.kind })
    }

    @Test
    fun `stopping keeps what there is`() {
        val stop = PlayedObserver { if (it.samples.size >= 2) "the screen was left" else null }
        val run = runner(7) { _, _ -> Model(right) }.run("a", listOf(bundle, bundle), plan, stop)
        assertEquals(1, run.rows.single().series.size)
        assertEquals(listOf(Flag(Flag.Kind.INTERRUPTED, "the screen was left")), run.flags)
    }

    @Test
    fun `there is no recognizer of a model that fails its self-test`() {
        var closed = false
        val wrong = object : Classifier by Model(right.map { it + 1 }.toFloatArray()) {
            override fun close() {
                closed = true
            }
        }
        val error = assertFailsWith<BundleException> { Recognizer.open(bundle) { wrong } }
        assertTrue("no predictions" in error.message!! && closed)
    }

    @Test
    fun `an answer that is no list of finite numbers is refused in words`() {
        val image = SelfTest.image(bundle.manifest)
        for (later in listOf(FloatArray(3), FloatArray(right.size) { Float.NaN }, FloatArray(right.size) { Float.POSITIVE_INFINITY })) {
            var answers = 0
            val model = object : Classifier by Model(right) {
                override fun run(input: ByteBuffer) = if (answers++ == 0) right else later
            }
            Recognizer.open(bundle) { model }.use { recognizer ->
                val error = assertFailsWith<BundleException> { recognizer.recognize(image) }
                assertTrue("finite numbers" in error.message!!)
            }
        }
    }
}
