package org.mobilevitedge.core

import java.io.File
import java.nio.ByteBuffer
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import org.json.JSONObject

/** Writes reports into the folder that the property `reports` names; Python validates them afterwards. */
class ReportWriterTest {
    private val folder = File(System.getProperty("reports") ?: error("-Dreports=FOLDER is missing"))
    private val bundle = Bundle(File("any/demo"), ManifestReader.read(Vectors.text("bundle/manifest.json")), emptyList())

    private fun measured(states: Sequence<DeviceState>, plan: BenchPlan): LatencyRow {
        val device = PlayedDevice(states.iterator())
        val result = LatencyMeasurement(device, plan, PlayedObserver()).run(bundle, ByteBuffer.allocate(4)) { device.Model() }
        return LatencyRow(bundle, "played", "1.0", plan.threads, null, result.coldStart, result.series)
    }

    private fun run(id: String, plan: BenchPlan, rows: List<LatencyRow>, text: String = "Pixel 9") = Run(
        id = id,
        appVersion = "0.1.0",
        created = "2026-01-31T12:00:00Z",
        device = Run.Device(false, text, text, 8, 12_000_000_000, text),
        versions = mapOf("played" to text),
        affinity = Run.Affinity(listOf(7), null),
        plan = plan,
        flags = listOf(Flag(Flag.Kind.INTERRUPTED, text)),
        rows = rows,
    )

    private fun keep(name: String, text: String) {
        folder.mkdirs()
        File(folder, "$name.json").writeText(text)
    }

    @Test
    fun `a report holds every sample as it was`() {
        val plan = BenchPlan(warmUp = 2, runs = 5, rounds = 3)
        val failed = LatencyRow(bundle, "played", null, 1, "out of memory", null, emptyList())
        val text = ReportWriter.write(run("whole", plan, listOf(measured(generateSequence { calm() }, plan), failed)))
        keep("whole", text)
        val rows = JSONObject(text).getJSONArray("runs").getJSONObject(0).getJSONArray("rows")
        val series = rows.getJSONObject(0).getJSONArray("series")
        assertEquals(3, series.length())
        assertEquals("[3000,4000,5000,6000,7000]", series.getJSONObject(1).getJSONArray("samples_ns").toString())
        assertEquals("out of memory", rows.getJSONObject(1).getString("not_run"))
        assertEquals(bundle.manifest.modelFile.sha256, rows.getJSONObject(0).getJSONObject("subject").getJSONObject("artifact").getString("sha256"))
    }

    @Test
    fun `whatever a device says of itself, Python reads it`() {
        val random = Random(1)
        val texts = listOf("", " ", "a\nb\u001b[31m", "\u0000", "\"\\", "ü 手机 \u0085", "x".repeat(5000), "</script>")
        repeat(50) { number ->
            fun <T> maybe(value: T): T? = if (random.nextBoolean()) value else null
            val states = generateSequence {
                DeviceState(maybe(random.nextDouble(1.0, 5000.0)), maybe(Thermal.entries.random(random)), maybe(random.nextDouble(0.0, 100.0)), maybe(true), maybe(false))
            }
            val plan = BenchPlan(1 + random.nextInt(3), 1 + random.nextInt(5), 1 + random.nextInt(3), 0, 1 + random.nextInt(4))
            keep("any$number", ReportWriter.write(run("any$number", plan, listOf(measured(states, plan)), texts.random(random))))
        }
    }
}
