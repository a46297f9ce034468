pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        google()
        mavenCentral()
    }
}

rootProject.name = "mobilevit-edge"
include(":core", ":runtime-onnx", ":runtime-executorch", ":runtime-litert", ":runtime-qnn", ":app")
