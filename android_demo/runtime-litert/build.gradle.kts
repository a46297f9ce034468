plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.litert"
}

dependencies {
    implementation(libs.litert)
}
