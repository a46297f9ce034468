package org.mobilevitedge.core

import java.nio.ByteBuffer
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue
import org.json.JSONObject

/** Masks and boxes of random answers, against what Python makes of them. */
class DenseAnswersTest {
    private class Case(val json: JSONObject) {
        val manifest = ManifestReader.read(json.getString("manifest"))
        val labels = List(manifest.model.outputs) { "class $it" }
        val outputs = Vectors.floats(json, "outputs")
        val width = json.getInt("width")
        val height = json.getInt("height")
        val answers = DenseAnswers(manifest, labels)

        fun mask(side: Int = Recognizer.PHOTO_SIDE) = answers.mask(manifest.head as Head.Masks, outputs, width, height, side)

        fun boxes() = answers.boxes(manifest.head as Head.Boxes, outputs, width, height)

        override fun toString() = "${manifest.head.toString().take(80)} $width x $height, cropped ${manifest.input.resize.crop}"
    }

    @Test
    fun `every pixel has the class that Python finds`() {
        val cases = Vectors.cases("masks.json").map(::Case)
        assertTrue(cases.size >= 50)
        var pixels = 0
        for (case in cases) {
            val mask = case.mask()
            val size = Vectors.doubles(case.json, "size").map { it.toInt() }
            assertEquals(size, listOf(mask.height, mask.width), case.toString())
            val expected = Vectors.bytes(case.json, "labels").map { it.toInt() }
            // Where two classes are nearer to each other than rounding can tell, Python says -2.
            val wrong = expected.indices.filter { expected[it] != -2 && expected[it] != mask.labels[it] }
            assertEquals(emptyList(), wrong.take(3), "$case: ${wrong.size} of ${expected.size}")
            assertTrue(case.json.getInt("unsure") < 0.001 * expected.size + 1)
            pixels += expected.size
        }
        assertTrue(pixels > 1_000_000)
    }

    @Test
    fun `the legend has the shares that Python counts`() {
        for (case in Vectors.cases("masks.json").map(::Case)) {
            val shares = case.mask().shares(case.labels)
            val expected = Vectors.doubles(case.json, "shares")
            assertEquals(expected.indices.filter { expected[it] > 0 }.toSet(), shares.map { it.index }.toSet(), case.toString())
            val off = case.json.getInt("unsure") / expected.size.toDouble()
            for (share in shares) assertEquals(expected[share.index], share.probability, 1e-12 + off, case.toString())
            assertEquals(shares.sortedByDescending { it.probability }, shares)
        }
    }

    @Test
    fun `every box is one that Python finds, in its order`() {
        val cases = Vectors.cases("boxes.json").map(::Case)
        assertTrue(cases.any { it.json.getJSONArray("found").length() == 0 } && cases.any { it.json.getJSONArray("found").length() > 50 })
        for (case in cases) {
            val found = case.boxes()
            val expected = case.json.getJSONArray("found").let { array -> (0 until array.length()).map(array::getJSONObject) }
            assertEquals(expected.map { it.getInt("index") }, found.map { it.index }, case.toString())
            for ((one, other) in expected.zip(found)) {
                assertEquals(one.getDouble("probability"), other.probability)
                // Python rounds to hundredths of a pixel.
                val corners = other.area.let { listOf(it.left, it.top, it.right, it.bottom) }
                for ((here, there) in Vectors.doubles(one, "box").zip(corners)) assertEquals(here, there, 0.00501, case.toString())
            }
        }
    }

    @Test
    fun `a mask of a camera's frame is no larger than it need be`() {
        val case = Vectors.cases("masks.json").map(::Case).first { it.width == 700 }
        val mask = case.mask(side = 256)
        assertEquals(Pair(128, 256), Pair(mask.width, mask.height))
    }

    @Test
    fun `classes that do not exist are refused in words`() {
        val case = Vectors.cases("masks.json").map(::Case).first { (it.manifest.head as Head.Masks).answer == MaskAnswer.LABELS }
        for (strange in listOf(-1f, 4f, 0.5f, 1e20f)) {
            val outputs = case.outputs.copyOf().also { it[7] = strange }
            val error = assertFailsWith<BundleException> { case.answers.mask(case.manifest.head as Head.Masks, outputs, 8, 8, 8) }
            assertTrue("none of its 4 classes" in error.message!!)
        }
    }

    @Test
    fun `a mask is drawn in the colors of its classes, and not where the model has not looked`() {
        val mask = Mask(3, 1, intArrayOf(1, Mask.NOT_SEEN, 0))
        assertEquals(listOf(0x80FF0000.toInt(), 0, 0x80000001.toInt()), mask.argb(listOf(0x000001, 0xFF0000)).toList())
        assertEquals(listOf(ClassScore(0, "a", 0.5), ClassScore(1, "b", 0.5)), mask.shares(listOf("a", "b")))
    }

    @Test
    fun `an image lies in the middle of its place, whole and undistorted`() {
        assertEquals(Area(0.0, 25.0, 100.0, 75.0), Area.fitting(200, 100, 100, 100))
        assertEquals(Area(10.0, 25.0, 100.0, 75.0), Area(20.0, 0.0, 200.0, 100.0).shown(Area.fitting(200, 100, 100, 100), 200))
        assertEquals(Area(70.0, 1.0, 90.0, 2.0), Area(10.0, 1.0, 30.0, 2.0).mirrored(100))
        assertEquals(Area(40.0, 0.0, 60.0, 100.0), Area.fitting(10, 50, 100, 100))
    }

    @Test
    fun `a screen shows sure boxes alone, and each class of them once`() {
        val manifest = ManifestReader.read(Vectors.text("dense/decoded/manifest.json"))
        val bundle = Bundle(java.io.File("any"), manifest, listOf("background", "cat", "dog", "owl"))
        val golden = FloatArray(manifest.output.count).also { answer -> manifest.golden.expected.forEach { answer[it.index] = it.value.toFloat() } }
        val played = object : Classifier {
            override val runtime = "played"
            override val version: String? = null

            override fun run(input: ByteBuffer) = golden

            override fun close() = Unit
        }
        fun box(index: Int, probability: Double) = DetectedBox(index, bundle.labels[index], probability, Area(0.0, 0.0, 1.0, 1.0))
        Recognizer.open(bundle) { played }.use { recognizer ->
            val boxes = listOf(box(2, 0.9), box(1, 0.8), box(2, 0.5), box(3, 0.29))
            val shown = recognizer.show(Finding.Objects(10, 10, boxes), 5)
            assertEquals(listOf("dog", "cat"), shown.rows.map { it.score.label })
            assertEquals(3, shown.overlay!!.boxes.size)
            val many = recognizer.show(Finding.Objects(10, 10, List(500) { box(1, 0.9) }), 5)
            assertEquals(Overlay.MOST, many.overlay!!.boxes.size)
            assertNull(recognizer.show(Finding.Regions(Mask(1, 1, intArrayOf(0))), 5).overlay!!.boxes.firstOrNull())
        }
    }

    @Test
    fun `letters stand out from the color below them`() {
        for ((color, isBright) in mapOf(0xFFFFFF to true, 0x000000 to false, 0xFFFF00 to true, 0x0000FF to false, 0x800000 to false)) {
            assertEquals(isBright, Overlay.isBright(color))
        }
    }
}
