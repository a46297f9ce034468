package org.mobilevitedge.core

import kotlin.math.abs
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.json.JSONObject

class PreprocessorTest {
    @Test
    fun `every image becomes the tensor that Python makes of it`() {
        val cases = Vectors.cases("preprocessing.json")
        assertTrue(cases.size > 50)
        for (case in cases) {
            val image = Pixels(case.getInt("width"), case.getInt("height"), Vectors.bytes(case, "rgb"))
            val preprocessor = preprocessorOf(case)
            val floats = preprocessor.tensor(preprocessor.resize(image)).asFloatBuffer()
            val expected = Vectors.floats(case, "tensor")
            assertEquals(expected.size, floats.remaining())
            val worst = expected.indices.maxOf { abs(expected[it] - floats.get(it)) }
            assertTrue(worst <= 1e-6f, "differs by $worst: ${case.getString("rule")} ${image.width}x${image.height}")
        }
    }

    @Test
    fun `with channels last it is the same numbers in another order`() {
        for (case in Vectors.cases("preprocessing.json").filter { it.getString("order") != "BGR" }) {
            val image = Pixels(case.getInt("width"), case.getInt("height"), Vectors.bytes(case, "rgb"))
            val preprocessor = preprocessorOf(case, channelsLast = true)
            val floats = preprocessor.tensor(preprocessor.resize(image)).asFloatBuffer()
            val expected = Vectors.floats(case, "tensor")
            assertEquals(expected.size, floats.remaining())
            val channels = ChannelOrder.valueOf(case.getString("order")).channels
            val pixels = expected.size / channels
            val worst = expected.indices.maxOf { abs(expected[it] - floats.get(it % pixels * channels + it / pixels)) }
            assertTrue(worst <= 1e-6f, "differs by $worst: ${case.getString("order")} ${image.width}x${image.height}")
        }
    }

    @Test
    fun `an image of any shape has a tensor`() {
        val random = Random(6)
        repeat(300) {
            // Long strips too: their whole scaled form would be huge.
            val (long, short) = Pair(random.nextInt(1, 6000), random.nextInt(1, 9))
            val image = if (random.nextBoolean()) Pixels(long, short, random.nextBytes(long * short * 3)) else Pixels(short, long, random.nextBytes(long * short * 3))
            val (height, width) = Pair(32 * random.nextInt(1, 4), 32 * random.nextInt(1, 4))
            val cover = Pair(height + random.nextInt(40), width + random.nextInt(40))
            val resize = Manifest.Resize(random.nextBoolean(), Interpolation.entries.random(random), cover.first, cover.second)
            val order = ChannelOrder.entries.random(random)
            val halves = List(order.channels) { 0.5 }
            val bytes = random.nextBoolean()
            val input = Manifest.Input("image", bytes, bytes || random.nextBoolean(), 1, order, 1 / 255.0, halves, halves, resize)
            val model = Manifest.Model("m", 1, height, width)
            val preprocessor = Preprocessor(model, input)
            val tensor = preprocessor.tensor(preprocessor.resize(image))
            assertEquals(height * width * order.channels * if (input.bytes) 1 else 4, tensor.remaining())
        }
    }

    private fun preprocessorOf(case: JSONObject, channelsLast: Boolean = false): Preprocessor {
        val size = Vectors.doubles(case, "size").map { it.toInt() }
        val cover = Vectors.doubles(case, "cover").map { it.toInt() }
        val interpolation = Interpolation.valueOf(case.getString("interpolation").uppercase())
        val resize = Manifest.Resize(case.getString("rule") == "crop", interpolation, cover[0], cover[1])
        val order = ChannelOrder.valueOf(case.getString("order"))
        val input = Manifest.Input(
            name = "image",
            bytes = false,
            channelsLast = channelsLast,
            batch = 1,
            order = order,
            scale = 1 / 255.0,
            mean = Vectors.doubles(case, "mean").toList(),
            std = Vectors.doubles(case, "std").toList(),
            resize = resize,
        )
        return Preprocessor(Manifest.Model("m", 1, size[0], size[1]), input)
    }
}
